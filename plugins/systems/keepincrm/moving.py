"""What moves an agreement to another stage, closes it or opens it again: scalars only. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.api import Held, T, Who
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm.agreements import result_of, stage_of
from plugins.systems.keepincrm.order_settings import OrderSettings
from plugins.systems.keepincrm.writing import refused

Row = Mapping[str, Any]


def gone(number: str) -> Held:
    """An agreement that is not there."""
    return refused("gone", T("Agreement {number} is not in the CRM any more.", number=number))


def still_closed(row: Row) -> Held:
    """An agreement that is closed, where the config does not let us open it."""
    return refused(
        "closed",
        T("Agreement {number} is closed as {result}.", number=v.text(row.get("id")), result=result_of(row)),
        T("Open it again in the CRM, or set `orders.close: true` of the connection."),
        field="status",
    )


def moved(row: Row, settings: OrderSettings, stage: int) -> dict[str, Any]:
    """What of a body moves an agreement to a stage; nothing where it stands there. Raises Held for one that is closed.

    A closed agreement is opened again where the config allows that.
    """
    body: dict[str, Any] = {}
    there = stage_of(row, settings) == str(stage)
    if result_of(row):
        if not settings.close:
            if there:
                return {}
            raise still_closed(row)
        body["result"] = None
    if not there:
        body["stage_id"] = stage
    return body


def closed(row: Row, settings: OrderSettings, result: str) -> dict[str, Any]:
    """What of a body closes an agreement as ``successful`` or ``failed``. Raises Held where that is not set."""
    if result_of(row) == result:
        return {}
    if not settings.close:
        raise refused(
            "result",
            T("That an agreement is closed as {status} is not set for the API.", status=result),
            T("Name the stage that it goes to, or set `orders.close: true` of the connection."),
            field="status",
            who=Who.ADMIN,
        )
    return {"result": result}


def comment_in(row: Row) -> str:
    """The comment as it is now. Raises Held where it is not told: what stands there would be lost."""
    if "comment" not in row:
        words = T("The API does not tell the comment of agreement {number}: nothing can be added to it.",
                  number=v.text(row.get("id")))  # fmt: skip
        raise refused("comment", words, field="comment")
    return v.text(row["comment"])


def see_moved(answer: Row, body: Mapping[str, Any], settings: OrderSettings) -> None:
    """Whether the answer shows what was sent of stage and result. Raises Held for what was dropped without a word."""
    if "result" in body and "result" in answer and result_of(answer) != (body["result"] or ""):
        raise _not_kept(
            T("The CRM did not take {sent} as the result of the agreement.", sent=body["result"] or "null"),
            T("Set `orders.close: false` of the connection, and name stages instead."),
        )
    if "stage_id" not in body or not {"stage_id", "stage"} & answer.keys():
        return
    shown = stage_of(answer, settings)
    names = {name for name, own in settings.stages.items() if own == body["stage_id"]}
    # a name that the config does not have may be that of the right stage
    if shown != str(body["stage_id"]) and shown not in names and (shown.isdigit() or names):
        raise _not_kept(
            T("The CRM did not move the agreement to stage {stage}: it stands at {shown}.",
              stage=str(body["stage_id"]), shown=shown or "-"),
            T("Look whether the number of the stage is right: `orders.stages` of the connection."),
        )  # fmt: skip


def _not_kept(words: Any, hint: Any) -> Held:
    return Held(words, hint=hint, code="keepin-not-kept", who=Who.ADMIN)
