"""How an agreement bears the key of the order that it was made of: in its title, and in a field of the account's own.

The API has no field for an id of ours, so that the title is what an agreement is looked up by. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any

from pipeline.api import Held, T, Where, Who, key_parts, tidy
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm.mapping import custom_fields
from plugins.systems.keepincrm.order_settings import OrderSettings

Row = Mapping[str, Any]
Identity = tuple[str, str, str]  #: client, source, order id
#: A longer title is not sent: an account that cut it would never find the agreement again.
LONGEST = 200


def write(settings: OrderSettings, identity: Identity, number: str) -> str:
    """The title of the agreement of an order. Raises Held where nobody could tell the order by it afterwards."""
    client, source, own = identity
    title = tidy(settings.title.format(client=client, source=source, id=own, number=number))
    if len(title) > LONGEST:
        raise _held(T("The title of an agreement for order {number} would be longer than {n} characters.",
                      number=number[:80], n=LONGEST), number)  # fmt: skip
    said = read(title, settings)
    if (said.get("client", client), said.get("source"), said.get("id")) != identity:
        raise _held(T("By the title {title} nobody could tell the order afterwards.", title=title), number)
    return title


def _held(words: Any, number: str) -> Held:
    return Held(
        words,
        code="keepin-title",
        where=Where(order=number[:80]),
        who=Who.ADMIN,
        hint=T("Set `orders.title` of the connection so that `{id}` and `{source}` stand apart."),
    )


def read(title: str, settings: OrderSettings) -> dict[str, str]:
    """What a title says by the config's template: source, id, and maybe number and client; nothing for another one."""
    pattern = ""
    seen: set[str] = set()
    for text, name in _parts(settings.title):
        pattern += re.escape(text)
        if name is not None:
            pattern += f"(?P={name})" if name in seen else f"(?P<{name}>.+)"
            seen.add(name)
    found = re.fullmatch(pattern, tidy(title))
    return found.groupdict() if found else {}


def query(settings: OrderSettings, identity: Identity) -> tuple[str, str]:
    """By what an agreement is asked for when only its key is known: (Ransack predicate, text).

    All of its title, or where the order's number is in it, the piece that has the id.
    """
    client, source, own = identity
    pieces = [""]
    found = 0
    for text, name in _parts(settings.title):
        pieces[-1] += text
        if name == "number":
            pieces.append("")
        elif name is not None:
            pieces[-1] += {"client": client, "source": source, "id": own}[name]
            found = len(pieces) - 1 if name == "id" else found
    return ("title_eq" if len(pieces) == 1 else "title_i_cont", tidy(pieces[found]))


def identity_of(row: Row, settings: OrderSettings, client: str) -> Identity | None:
    """The order that an agreement was made of: by its mark, else by its title; None for any other agreement."""
    mark = _mark(row, settings.mark_field) if settings.mark_field else ""
    if mark and (found := key_parts(mark)):
        return found
    said = read(v.text(row.get("title")), settings)
    return (said.get("client", client), said["source"], said["id"]) if said else None


def _mark(row: Row, name: str) -> str:
    """The key in its field: told by the field's title, or by a slug that ends in its number."""
    own = (custom_fields(row) or {}).get(name)
    detailed = row.get("custom_fields_detailed")
    if own is None and name.startswith("field_") and isinstance(detailed, list):
        end = name.removeprefix("field")
        rows = (one for one in detailed if isinstance(one, Mapping))
        own = next((one.get("value") for one in rows if v.text(one.get("name")).endswith(end)), None)
    return v.text(own).strip()


def _parts(template: str) -> Iterator[tuple[str, str | None]]:
    """(text, name of the field behind it) of a template; its white space as it is compared."""
    for text, name, _spec, _conversion in Formatter().parse(re.sub(r"\s+", " ", template.strip())):
        yield text, name
