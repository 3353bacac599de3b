"""Parties of a database: found by code, EDRPOU, telephone and mail however they were typed; added with all their names.

Tryton keeps telephones and mails as contact mechanisms, as they were typed, and writes telephones in one form only
where its server has the library for it. A party that is there is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from pipeline.api import Party, Ref, T, edrpou_ok, normal_party, phone, rntrc_ok
from plugins.systems.tryton.client import Client
from plugins.systems.tryton.names import CONTACT, IDENTIFIER, PARTY
from plugins.systems.tryton.refusals import held
from plugins.systems.tryton.values import Row, link, text

NEAR, LIKE = 10, 0.5
BEGIN = 4  #: letters of a name by which others like it are looked for
_PHONES = ("phone", "mobile", "fax", "other")
_PARTY = ("party.name", "party.code", "party.active")
#: As many look-ups go into one call.
_CHUNK = 50


class PartyBook:
    """The parties of one database."""

    def __init__(self, client: Client) -> None:
        self.client = client

    # --- finding -----------------------------------------------------------------------------------------------------

    def find(self, parties: Sequence[Party]) -> list[list[Ref]]:
        """See Parties."""
        wanted = [normal_party(party) for party in parties]
        by_code = {code: [ref] for code, ref in self.coded({party.code for party in wanted if party.code}).items()}
        by_tax = self._by_tax({one for party in wanted for one in _tax_codes(party)})
        by_phone, by_mail = self._by_contact(wanted)
        found = []
        for party in wanted:
            looks: list[tuple[Mapping[str, list[Ref]], Iterable[str]]] = [
                (by_code, [party.code]),
                (by_tax, _tax_codes(party)),
                (by_phone, [phone(party.phone)]),
                (by_mail, [party.email]),
            ]
            each = ([ref for key in keys if key for ref in known.get(key, ())] for known, keys in looks)
            found.append(list({ref.id: ref for ref in next(filter(None, each), [])}.values()))
        return found

    def _by_tax(self, codes: Collection[str]) -> dict[str, list[Ref]]:
        if not codes:
            return {}
        some = sorted(codes)
        rows = self.client.rows(
            IDENTIFIER, ["OR", ["code_compact", "in", some], ["code", "in", some]],
            ("code", "code_compact", "party", *_PARTY),
        )  # fmt: skip
        return _grouped(rows, lambda row: [text(row.get("code_compact")).strip(), text(row.get("code")).strip()])

    def _by_contact(self, parties: Sequence[Party]) -> tuple[dict[str, list[Ref]], dict[str, list[Ref]]]:
        """By telephone and by mail: looked for by their digits and letters, and compared in the normal form."""
        clauses: list[Any] = []
        for number in sorted({party.phone for party in parties if party.phone}):
            digits = re.sub(r"\D", "", phone(number))
            own = digits.removeprefix("380") if len(digits) == 12 else digits
            if own:  # whatever stands between the digits
                clauses.append([["type", "in", list(_PHONES)], ["value", "like", f"%{'%'.join(own)}%"]])
        mails = sorted({party.email for party in parties if party.email})
        clauses += [[["type", "=", "email"], ["value", "ilike", mail]] for mail in mails]
        rows: list[Row] = []
        for start in range(0, len(clauses), _CHUNK):
            domain = ["OR", *clauses[start : start + _CHUNK]]
            rows += self.client.rows(CONTACT, domain, ("type", "value", "party", *_PARTY))
        phones = [row for row in rows if row.get("type") != "email"]
        letters = [row for row in rows if row.get("type") == "email"]
        return (
            _grouped(phones, lambda row: [phone(text(row.get("value")))]),
            _grouped(letters, lambda row: [text(row.get("value")).strip().lower()]),
        )

    def coded(self, codes: Collection[str]) -> dict[str, Ref]:
        """Parties by their code; those that are not there are absent."""
        if not codes:
            return {}
        rows = self.client.rows(PARTY, [["code", "in", sorted(codes)]], ("code", "name"))
        return {text(row.get("code")).strip(): _ref(row["id"], row) for row in rows}

    def near(self, party: Party) -> list[Ref]:
        """See Parties: of those whose name has the beginning of its last name (or longest word) in it."""
        name = party.title.casefold()
        begin = (party.last_name or max(party.title.split(), key=len, default=""))[:BEGIN]
        if not begin:
            return []
        matcher = SequenceMatcher(b=name)
        scored = []
        for row in self.client.rows(PARTY, [["name", "ilike", f"%{begin}%"]], ("code", "name")):
            ref = _ref(row["id"], row)
            matcher.set_seq1(ref.name.casefold())
            scored.append((matcher.ratio(), ref))
        scored.sort(key=lambda one: (-one[0], int(one[1].id)))
        return [ref for score, ref in scored[:NEAR] if score >= LIKE]

    # --- adding ------------------------------------------------------------------------------------------------------

    def create(self, party: Party) -> Ref:
        """Add one, with an empty address, without which Tryton quotes nothing. Raises Held, InDoubt."""
        party = normal_party(party)
        name = party.title or party.phone or party.email
        if not name:
            raise held(T("The order has no buyer: no name, no phone, no mail."), code="no-buyer")
        contacts = []
        if party.phone:
            # what is no valid telephone is refused as one where the server looks
            contacts.append({"type": "phone" if phone(party.phone).startswith("+") else "other", "value": party.phone})
        if party.email:
            contacts.append({"type": "email", "value": party.email})
        person = " ".join(filter(None, (party.last_name, party.first_name, party.middle_name)))
        if party.company and person:
            contacts = [{**one, "name": person} for one in contacts]
        values: dict[str, Any] = {"name": name, "addresses": [["create", [{}]]]}
        if contacts:
            values["contact_mechanisms"] = [["create", contacts]]
        if identifiers := _identifiers(party):
            values["identifiers"] = [["create", identifiers]]
        made = self.client.create(PARTY, values)
        row = self.client.of_ids(PARTY, [made], ("code", "name")).get(made)
        if row is None or text(row.get("name")) != name:
            raise held(
                T("Tryton shows the name {there} for the party {name}.", there=text((row or {}).get("name")) or "—",
                  name=name),
                code="tryton-kept",
            )  # fmt: skip
        return _ref(made, row)


def _identifiers(party: Party) -> list[dict[str, Any]]:
    found = []
    if party.edrpou:
        kind = "ua_edrpou" if edrpou_ok(party.edrpou) and len(party.edrpou) == 8 else (
            "ua_rntrc" if rntrc_ok(party.edrpou) and len(party.edrpou) == 10 else None
        )  # fmt: skip
        found.append({"type": kind, "code": party.edrpou})
    if party.tax_number and party.tax_number != party.edrpou:
        found.append({"type": None, "code": party.tax_number})
    return found


def _tax_codes(party: Party) -> list[str]:
    return [one for one in (party.edrpou, party.tax_number) if one]


def _grouped(rows: Iterable[Row], keys: Any) -> dict[str, list[Ref]]:
    """Parties by what a record beside them says, the older one first; those out of use are left out."""
    found: dict[str, dict[str, Ref]] = {}
    for row in sorted(rows, key=lambda one: (link(one.get("party")), one["id"])):
        beside = row.get("party.")
        party: Row = beside if isinstance(beside, dict) else {}
        if party.get("active") is False:
            continue
        ref = _ref(link(row.get("party")), party)
        for key in keys(row):
            if key:
                found.setdefault(key, {}).setdefault(ref.id, ref)
    return {key: list(refs.values()) for key, refs in found.items()}


def _ref(id_: int, row: Row) -> Ref:
    return Ref(str(id_), text(row.get("code")).strip(), text(row.get("name")).strip())
