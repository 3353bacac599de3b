"""``mistok trace``: the whole story of an order, of a file that came, or of a file that was published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from pipeline.cli import common
from pipeline.cli.orders import AsJson
from pipeline.engine.shown.rows import shop_status
from pipeline.engine.shown.stories import copy_words, notice_words, stories_of
from pipeline.texts import T, Text


def trace(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help=str(T("Number of an order or document, name or SHA-256 of a file.")))],
    why: Annotated[
        str | None,
        typer.Option("--why", help=str(T("Tell what gave this field of its document: warehouse, party, rule …"))),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell the whole story of an order or a file: what came, when, what was checked, which document, who was told."""
    if why is not None:
        _tell_why(context, what, why, as_json=as_json)
        return
    with common.cards(as_json=as_json):
        with common.client(context) as client:
            stories = stories_of(client, what)
        if as_json:
            common.print_json(stories)
        elif not stories:
            common.not_found(
                T("Nothing is known of {what}.", what=what),
                T("Look with mistok orders or mistok files; a part of the number or name is enough there."),
            )
        else:
            for story in stories:
                _tell(story)
    if not stories:
        raise typer.Exit(common.WAITING)


def _tell_why(context: typer.Context, what: str, asked: str, *, as_json: bool) -> None:
    from pipeline.engine.shown.why import FIELDS, field_named, whys

    with common.cards(as_json=as_json):
        field = field_named(asked)
        if field is None:
            common.usage(
                T("There is no field {name} to ask about.", name=asked), T("Fields: {names}.", names=", ".join(FIELDS))
            )
        with common.client(context) as client:
            found = whys(client, what, field)
        if as_json:
            common.print_json(found)
        elif not found:
            common.not_found(
                T("Nothing is known of {what}.", what=what),
                T("Look with mistok orders or mistok files; a part of the number or name is enough there."),
            )
        for one in () if as_json else found:
            _show_why(one)
    if not all(one["value"] is not None for one in found) or not found:
        raise typer.Exit(common.WAITING)


def _show_why(one: Mapping[str, Any]) -> None:
    from rich.text import Text as Rich

    out = common.console()
    head = T("Order №{number} of {source}", number=one["number"], source=one["source"] or "?")
    value = "?" if one["value"] is None else one["value"] or "—"
    out.print(Rich(f"{head}: {one['field_text']} = {value}", style="bold"))
    lines = [(T("Given by"), str(one["why"]))]
    lines.extend((T("Line"), f"{line['file']}:{line['line']}: {line['text']}") for line in one["lines"])
    if one["said"]:
        where = f" ({one['path']})" if one["path"] else ""
        lines.append((T("The order says"), f"{one['said']}{where}"))
    if one["config"]:
        lines.append((T("Config"), str(config_words(one["config"]))))
        lines.append((T("Decided"), f"{common.cell(one['decided'])}, {one['job']} #{one['step']}"))
    for heading, words in lines:
        out.print(Rich(f"  {heading}: ", style="dim") + Rich(words), soft_wrap=True)


def config_words(config: Mapping[str, Any]) -> Text:
    """Which config it was, and since when it was in use."""
    short = config["hash"][:12]
    if config["since"] is None:
        return T("{hash}, used by no run", hash=short)
    if config["now"]:
        return T("{hash}, in use since {when}, and still", hash=short, when=config["since"])
    return T("{hash}, in use since {when}; the present one is another", hash=short, when=config["since"])


def _tell(story: Mapping[str, Any]) -> None:
    from rich.text import Text as Rich

    out = common.console()
    if story["kind"] == "order":
        head = T("Order №{number} of {source}", number=story["number"], source=story["source"] or "?")
    elif story["kind"] == "publication":
        head = T("Published file {name}, {size} bytes", name=story["name"], size=story["size"])
    else:
        head = T("File {name}, {size} bytes", name=story["name"], size=story["size"])
    out.print(Rich(str(head), style="bold"))
    lines = [(T("State"), story["state_text"])]
    if story.get("folder") is not None:
        lines.append((T("Connection"), f"{story['connection']}/{story['folder']}".rstrip("/")))
    if story.get("customer"):
        lines.append((T("Customer"), story["customer"]))
    if story.get("status"):
        lines.append((T("Status in the shop"), shop_status(story["status"])))
    if story.get("amended"):
        lines.append((T("Amended"), common.cell(story["amended"])))
    if story.get("total") is not None:
        lines.append((T("Sum"), f"{common.cell(story['total'])} {story['currency']}"))
    if story.get("document"):
        lines.append((T("Document"), story["document"]))
    if story.get("sha256"):
        lines.append((T("SHA-256"), story["sha256"]))
        lines.append((T("Archive copy"), copy_words(story)))
    for file in story.get("files", ()):
        if file["policy"] == "asked":
            lines.append((T("As it was read"), f"{file['name']} ({file['connection']})"))
        else:
            lines.append((T("File"), f"{file['name']} ({file['connection']}/{file['folder']}): {file['state_text']}"))
        if file["sha256"]:
            lines.append((T("SHA-256"), file["sha256"]))
        lines.append((T("Archive copy"), copy_words(file)))
    lines.extend(
        (T("Order"), f"№{order['number']}: {order['state_text']} {order['document'] or ''}".rstrip())
        for order in story.get("orders", ())
    )
    for heading, words in lines:
        out.print(Rich(f"  {heading}: ", style="dim") + Rich(words))
    common.show_findings(story["findings"], of_story=True)
    rows = [{"at": row["at"], "what": row["what"], "text": row["text"], "by": row.get("by")} for row in story["events"]]
    rows.extend(
        {"at": notice["at"], "what": str(T("notice")), "text": str(notice_words(notice))} for notice in story["notices"]
    )
    common.table(
        (("at", T("When")), ("what", T("What")), ("text", T("What happened")), ("by", T("Run"))),
        sorted(rows, key=lambda row: row["at"]),
        empty=T("No events."),
    )
