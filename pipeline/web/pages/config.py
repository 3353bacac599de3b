"""The config as it was checked, what changed in it when, and which runs used which."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from pipeline.engine import health
from pipeline.engine.shown import configs
from pipeline.web.access import Person, Right
from pipeline.web.entry import TheSite, having
from pipeline.web.render import page
from pipeline.web.site import Site

router = APIRouter(include_in_schema=False)


@router.get("/config")
def config(request: Request, site: TheSite, who: Annotated[Person, Depends(having(Right.CONFIG))]) -> Response:
    """The page."""
    return page(request, "config.html", who, view(site), here="config")


def view(site: Site) -> dict[str, Any]:
    """What it shows."""
    client = site.client
    return {
        "yaml": configs.as_yaml(configs.told(client.config)),
        "source": str(client.config.source),
        "hash": client.config.config_hash,
        "history": configs.history(client),
        "wrong": health.examine(client.config, client.ledger).config_trouble,
    }
