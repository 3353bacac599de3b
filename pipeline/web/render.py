"""Templates: one environment, texts by ``T`` as in the code, values as people of the reader's language write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline import __version__
from pipeline.engine.shown import words
from pipeline.errors import Finding
from pipeline.texts import TN, T, Text
from pipeline.web import plots
from pipeline.web.access import Person, Right
from pipeline.web.entry import CSRF_COOKIE, cookie_name, site_of

HERE = Path(__file__).parent


@cache
def environment() -> Environment:
    """The templates of this folder; a name that is not given is a mistake of ours."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(T=T, TN=TN, WHO=words.WHO, version=__version__, link=link, plots=plots, menu=menu)
    made.filters.update(
        cell=words.cell, place=place, size=words.size_words, quantity=quantity, iso=lambda moment: moment.isoformat()
    )
    return made


#: The menu: name, address, words, and the right that the page needs.
MENU: Sequence[tuple[str, str, Text, Right]] = (
    ("today", "/", T("Today"), Right.SEE),
    ("report", "/report", T("Report"), Right.SEE),
    ("orders", "/orders", T("Orders"), Right.SEE),
    ("cards", "/cards", T("Cards"), Right.PERSONAL),
    ("archive", "/archive", T("Archive"), Right.SEE),
    ("jobs", "/jobs", T("Jobs"), Right.SEE),
    ("catalogue", "/catalogue", T("Catalogue"), Right.SEE),
    ("sync", "/sync", T("Sync"), Right.SEE),
    ("config", "/config", T("Config"), Right.CONFIG),
    ("access", "/access", T("Access"), Right.PCS),
    ("support", "/support", T("Support"), Right.BUNDLE),
    ("audit", "/audit", T("Log"), Right.AUDIT),
)


#: The menu of those who look after many clients, on the page of all of them.
FRONT: Sequence[tuple[str, str, Text, Right]] = (
    ("clients", "/", T("Clients"), Right.SEE),
    ("access", "/access", T("Access"), Right.USERS),
    ("audit", "/audit", T("Log"), Right.AUDIT),
)


def menu(person: Person, front: bool = False) -> list[tuple[str, str, Text, Right]]:
    """The pages that this person may see."""
    return [entry for entry in (FRONT if front else MENU) if person.may(entry[3])]


def link(path: str, **query: Any) -> str:
    """An address with its query; what is empty is left out."""
    told = {name: value for name, value in query.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(told)}" if told else path


def quantity(value: Decimal | str) -> str:
    """A number of things, without the zeros behind it: ``24``, ``0.5``."""
    number = Decimal(value)
    whole = number == number.to_integral_value()
    return words.cell(number.quantize(Decimal(1)) if whole else number.normalize())


def place(finding: Finding) -> str:
    """Where something is wrong: file, line, element, order; nothing that the words tell already."""
    return words.place_of(finding)


def page(
    request: Request,
    name: str,
    person: Person | None,
    data: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
    here: str = "",
) -> HTMLResponse:
    """A page. ``here``: the entry of the menu that it belongs to."""
    site = site_of(request)
    config = site.client.config
    html = (
        environment()
        .get_template(name)
        .render(
            {
                "person": person,
                "config": config,
                "zone": config.timezone,
                "language": request.state.language,
                "here": here,
                "front": site.standings is not None,
                "of_many": site.house is not None and person is not None,
                "path": request.url.path,
                "self": link(request.url.path, **dict(request.query_params)),
                "now": site.now().astimezone(config.zone),
                **(data or {}),
            }
        )
    )
    answer = HTMLResponse(html, status_code=status)
    if person is not None and not person.token:  # named by the proxy: its secret of forms is a cookie
        set_cookie(answer, request, CSRF_COOKIE, person.csrf)
    return answer


def set_cookie(answer: HTMLResponse | Any, request: Request, name: str, value: str, seconds: int | None = None) -> None:
    """A cookie that no script reads and no other site sends."""
    answer.set_cookie(
        cookie_name(name, request),
        value,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="lax",
        secure=request.state.https,
    )


def drop_cookie(answer: Any, request: Request, name: str) -> None:
    """Forget a cookie."""
    answer.delete_cookie(
        cookie_name(name, request), path="/", httponly=True, samesite="lax", secure=request.state.https
    )
