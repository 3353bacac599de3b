"""The lists of a base that documents refer to: firms, storages, states … each read once, and names found in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.api import Held, Ref, T, Text
from plugins.systems.dilovod.client import Client
from plugins.systems.dilovod.names import CURRENCIES, KINDS, STORAGES, TITLES, UNITS, find, shown
from plugins.systems.dilovod.refusals import held
from plugins.systems.dilovod.values import flag, link, name_in, text

#: Lists of which a code is known besides id and name, where the metadata do not tell.
_CODED = frozenset({CURRENCIES, STORAGES, UNITS})


class Lists:
    """Reads each of them at its first use, and keeps it for as long as the session."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._kept: dict[str, Sequence[Ref]] = {}

    def object_of(self, kind: str) -> str | None:
        """The name of a kind's list in this base; None where there is none."""
        known = KINDS.get(kind)
        return known if known is None or "." in known else self.client.named_by(known)

    def all(self, kind: str) -> Sequence[Ref]:
        """All of a kind that are not to be deleted, by id; none of a kind that the base does not have.

        Raises Refused where the role may not read it.
        """
        name = self.object_of(kind)
        if name is None:
            return ()
        if name not in self._kept:
            self._kept[name] = self._read(name)
        return self._kept[name]

    def _read(self, name: str) -> Sequence[Ref]:
        known = self.client.attributes(name)
        fields = {"id": "id", "name": "name"}
        if "code" in known if known is not None else name in _CODED:
            fields["code"] = "code"
        if known is not None and "delMark" in known:
            fields["delMark"] = "delMark"
        found = self.client.rows(name, fields, key=("id",), names=True)
        language = self.client.settings.language
        refs = [
            Ref(link(row.get("id")), text(row.get("code")).strip(), name_in(row, "name", language))
            for row in found
            if link(row.get("id")) and not flag(row.get("delMark"))
        ]
        return tuple(sorted(refs, key=lambda ref: ref.id))

    def forget(self, kind: str) -> None:
        """It has grown: read it anew at its next use."""
        name = self.object_of(kind)
        if name is not None:
            self._kept.pop(name, None)

    def named(self, kind: str, code: str) -> Ref | None:
        """The one that a person means: by id, code or name. None: none, or several."""
        return find(self.all(kind), code)

    def by_id(self, kind: str) -> Mapping[str, Ref]:
        """All of a kind by id."""
        return {ref.id: ref for ref in self.all(kind)}

    def wanted(self, kind: str, code: str, setting: Text) -> Ref:
        """The same. Raises Held, with what there is, for one that is not there."""
        found = self.named(kind, code)
        if found is None:
            raise self.unknown(kind, code, setting)
        return found

    def unknown(self, kind: str, code: str, setting: Text) -> Held:
        """There is no such thing, or there are several."""
        return held(
            T("Dilovod has no {kind} {name}, or several.", kind=TITLES[kind], name=code or "—"),
            T("Say which one is meant: `{example}` of the connection. It has: {names}.",
              example=setting, names=shown(self.all(kind))),
            code=f"unknown-{kind}",
        )  # fmt: skip

    def only(self, kind: str, said: str | None, setting: Text) -> Ref:
        """The one of the settings, or the only one that there is. Raises Held."""
        if said:
            return self.wanted(kind, said, setting)
        found = self.all(kind)
        if len(found) != 1:
            raise self.unknown(kind, "", setting)
        return found[0]
