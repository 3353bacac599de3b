"""What the fake Dilovod tells of one object, and of its objects' metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plugins.systems.dilovod._fake_base import RESTRICTED, Base, Row, link_of, refuse
from plugins.systems.dilovod._fake_schema import BY_ID, THINGS, Attr

HIERARCHICAL = "isGroup"


def shown(base: Base, key: str, row: Row) -> Row:
    """``getObject``: links with their presentations, names in all languages, parts only where the object has any."""
    thing = THINGS[row["type"]]

    def link(id_: str) -> Row:
        target = base.objects.get(id_)
        hidden = target is not None and not base.may(key, target["type"])
        return {"id": id_, "pr": RESTRICTED if hidden else base.named(id_)}

    def cells(attrs: Mapping[str, Attr], values: Mapping[str, Any]) -> Row:
        told: Row = {}
        for name, attr in attrs.items():
            value = values.get(name, "")
            if attr.kind == "link":
                told[name] = link(value)
            elif attr.kind == "date" and not value:
                told[name] = base.quirks.empty_date
            else:
                told[name] = dict(value) if attr.kind == "ml" else value
        return told

    values = {**row["values"], "id": row["id"], base.quirks.modified_attribute: row["modified"]}
    found: Row = {"header": cells(base.attrs(row["type"]), values)}
    if thing.parts:
        found["tableParts"] = {
            name: [cells(attrs, line) for line in row["parts"][name]] for name, attrs in thing.parts.items()
        }
    return {**found, "misc": False}


def get_object(base: Base, key: str, params: Mapping[str, Any]) -> Row:
    """The action. Refused for an id that is not there, and where the role may not read."""
    row = base.one(link_of(params.get("id")))
    base.need(key, row["type"])
    return shown(base, key, row)


def list_metadata() -> Row:
    """Every kind of objects by name. Presentations are Ukrainian whatever ``lang`` says."""
    return {
        name: {"id": thing.id, "idPrefix": thing.prefix, "presentation": thing.list_title}
        for name, thing in THINGS.items()
    }


def get_metadata(base: Base, params: Mapping[str, Any]) -> Row:
    """One kind with its attributes, by name or id."""
    name = str(params.get("objectName"))
    thing = THINGS.get(name) or BY_ID.get(str(params.get("objectId")))
    if thing is None:
        refuse(f"object {name if 'objectName' in params else params.get('objectId')} not found")
    attrs = [
        {"name": attr.name, "type": attr.targets[0] if attr.targets else attr.kind, "presentation": attr.name}
        for attr in base.attrs(thing.name).values()
    ]
    return {
        "name": thing.name,
        "presentation": thing.title,
        "listPresentation": thing.list_title,
        "idPrefix": thing.prefix,
        "hierarchyType": "groups" if HIERARCHICAL in thing.attrs else "none",
        "reqs": attrs if base.quirks.reqs == "list" else {one["name"]: one for one in attrs},
    }
