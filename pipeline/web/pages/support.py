"""The support bundle, made and taken along from the page: what ``mistok support-bundle`` writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from pipeline.engine.runtime import Client
from pipeline.engine.support.bundle import Bundle, write
from pipeline.errors import ConfigError
from pipeline.texts import T
from pipeline.web.access import Person, Right
from pipeline.web.entry import Form, TheSite, acting, having
from pipeline.web.render import page
from pipeline.web.site import Site
from pipeline.web.tasks import Task

router = APIRouter(include_in_schema=False)
Helper = Annotated[Person, Depends(having(Right.BUNDLE))]
#: Orders in one bundle, and the days that it may look back.
ORDERS, DAYS = 20, 366


@dataclass(frozen=True)
class Made:
    """A bundle. ``files``: names in it; ``left_out``: what could not be told, and why."""

    name: str
    data: bytes
    files: tuple[str, ...]
    left_out: tuple[Mapping[str, str], ...]


@router.get("/support")
def support(request: Request, who: Helper) -> Response:
    """The form."""
    return page(request, "support.html", who, {"most": DAYS}, here="support")


@router.post("/support/bundle")
def make(site: TheSite, who: Annotated[Person, Depends(acting(Right.BUNDLE))], fields: Form) -> Response:
    """Begin to write one."""
    orders = tuple(dict.fromkeys(fields.get("orders", "")[:2000].replace(",", " ").split()))
    given = fields.get("days", "7").strip()
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= DAYS):
        raise ConfigError(T("Days are a number from 1 to {n}.", n=DAYS))
    if len(orders) > ORDERS:
        raise ConfigError(T("A bundle tells of {n} orders at the most.", n=ORDERS))
    connect = bool(fields.get("connect"))
    data: dict[str, Any] = {"days": int(given), "orders": ", ".join(orders)}
    site.record(who, "support-bundle", data=data)

    def work(_task: Task) -> Made:
        return bundle(site, days=int(given), orders=orders, connect=connect)

    task = site.tasks.start("bundle", who.name, T("Support bundle"), work)
    return RedirectResponse(f"/tasks/{task.id}", HTTPStatus.SEE_OTHER)


def bundle(site: Site, *, days: int, orders: tuple[str, ...], connect: bool) -> Made:
    """Write one, and give it. Raises ConfigError when there is no room for it."""
    config, now = site.client.config, site.now()
    parts = site.support_parts(config, connect) if site.support_parts is not None else ()
    asked = Bundle(config, config.source, now, days=days, orders=orders, parts=tuple(parts))
    name = f"mistok-support-{config.client}-{now:%Y%m%d-%H%M%S}.zip"
    try:
        with TemporaryDirectory(prefix="mistok-") as folder:
            write(asked, Path(folder) / name, lambda: Client.open(config, read_only=True, guarded=False))
            data = (Path(folder) / name).read_bytes()
    except OSError as error:
        raise ConfigError(
            T("The bundle cannot be written: {why}", why=error.strerror or str(error)),
            hint=T("Check the free space of the machine's temporary folder."),
        ) from error
    return Made(name, data, tuple(str(one["name"]) for one in asked.files), tuple(asked.left_out))


@router.get("/tasks/{task_id}/bundle")
def take(site: TheSite, who: Helper, task_id: str) -> Response:
    """The file, for whoever had it made."""
    found = site.tasks.find(task_id, who.name)
    if found is None or found.kind != "bundle" or not isinstance(found.result, Made):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    headers = {"Content-Disposition": f'attachment; filename="{found.result.name}"'}
    return Response(found.result.data, media_type="application/zip", headers=headers)
