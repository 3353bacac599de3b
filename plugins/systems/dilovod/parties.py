"""Buyers in a base: found by EDRPOU, telephone and mail however they were typed, and added with all their names.

Dilovod keeps telephones and mails in ``details``, JSON within JSON, and shows the first of each as ``phone`` and
``email``, as they were typed. A party that is there is never changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from pipeline.api import Held, InDoubt, Party, Ref, T, normal_party, phone
from plugins.systems.dilovod.client import Client
from plugins.systems.dilovod.names import NATURAL_PERSON, PERSONS
from plugins.systems.dilovod.refusals import held
from plugins.systems.dilovod.values import Row, both, flag, link, name_in, named, part, text

FIELDS: Mapping[str, str] = {
    "id": "id",
    "code": "code",
    "name": "name",
    "phone": "phone",
    "email": "email",
    "taxCode": "taxCode",
    "isGroup": "isGroup",
    "delMark": "delMark",
}
NEAR, LIKE = 10, 0.5
BEGIN = 4  #: letters of a name by which others like it are looked for


class PartyBook:
    """The parties of one base."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._own = True  #: telephone and mail are taken as attributes of their own, beside the details

    # --- finding -----------------------------------------------------------------------------------------------------

    def find(self, parties: Sequence[Party]) -> list[list[Ref]]:
        """See Parties."""
        wanted = [normal_party(party) for party in parties]
        by_tax = self._by("taxCode", {one for party in wanted for one in _tax_codes(party)}, _text)
        by_phone = self._by("phone", {way for party in wanted for way in ways(party.phone)}, phone)
        mails = {party.email for party in parties if party.email} | {party.email for party in wanted if party.email}
        by_mail = self._by("email", mails, _mail)
        codes = {party.code for party in wanted if party.code}
        by_code = {code: [ref] for code, ref in self.coded(codes).items()}
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

    def _by(self, alias: str, values: Collection[str], form: Any) -> dict[str, list[Ref]]:
        """Parties by a value in its normal form, the older one first."""
        path = next((path for path, name in self._fields().items() if name == alias), None)
        if path is None or not values:
            return {}
        found: dict[str, list[Ref]] = {}
        rows = self.client.chosen(PERSONS, self._fields(), alias, values, key=("id",), names=True)
        for row in sorted(rows, key=lambda one: link(one.get("id"))):
            key = form(text(row.get(alias)))
            if key and self._is_party(row):
                found.setdefault(key, []).append(self._ref(row))
        return found

    def coded(self, codes: Collection[str]) -> dict[str, Ref]:
        """Parties by their id or code; those that are not there, or twice, are absent."""
        found: dict[str, Ref] = {}
        for alias in ("id", "code"):
            wanted = {code for code in codes if code not in found and (alias == "code" or len(code) == 16)}
            if not wanted or alias not in self._fields():
                continue
            rows = list(self.client.chosen(PERSONS, self._fields(), alias, wanted, key=("id",), names=True))
            for code in wanted:
                same = [row for row in rows if text(row.get(alias)).strip() == code and self._is_party(row)]
                if len(same) == 1:
                    found[code] = self._ref(same[0])
        return found

    def near(self, party: Party) -> list[Ref]:
        """See Parties: of those whose name has the same beginning of its last name (or longest word)."""
        name = party.title.casefold()
        begin = (party.last_name or max(party.title.split(), key=len, default=""))[:BEGIN]
        if not begin:
            return []
        matcher = SequenceMatcher(b=name)
        scored = []
        for row in self.client.rows(PERSONS, self._fields(), ("name", "%", begin), key=("id",), names=True):
            if self._is_party(row):
                ref = self._ref(row)
                matcher.set_seq1(ref.name.casefold())
                scored.append((matcher.ratio(), ref))
        scored.sort(key=lambda one: (-one[0], one[1].id))
        return [ref for score, ref in scored[:NEAR] if score >= LIKE]

    def _fields(self) -> dict[str, str]:
        known = self.client.attributes(PERSONS)
        return {path: alias for path, alias in FIELDS.items() if known is None or path in known}

    @staticmethod
    def _is_party(row: Row) -> bool:
        return not flag(row.get("isGroup")) and not flag(row.get("delMark"))

    def _ref(self, row: Row) -> Ref:
        name = name_in(row, "name", self.client.settings.language)
        return Ref(link(row.get("id")), text(row.get("code")).strip(), name)

    # --- adding ------------------------------------------------------------------------------------------------------

    def create(self, party: Party) -> Ref:
        """Add one. Raises Held where it has nothing to be called by, or its name did not arrive; InDoubt."""
        party = normal_party(party)
        name = party.title or party.phone or party.email
        if not name:
            raise held(T("The order has no buyer: no name, no phone, no mail."), code="no-buyer")
        known = self.client.attributes(PERSONS)
        header = {one: value for one, value in _header(party, name).items() if known is None or one in known}
        contacts = {one: value for one, value in (("phone", party.phone), ("email", party.email)) if value}
        made = self._made(header, contacts)
        self._look(made, name)
        return Ref(made, "", name)

    def _made(self, header: Mapping[str, Any], contacts: Mapping[str, str]) -> str:
        """With the contacts as attributes first, as some bases look for them there; others refuse them, and are known
        to do so from then on. What is refused is not saved."""
        if self._own and contacts:
            try:
                return self.client.create(PERSONS, {**header, **contacts})
            except Held as error:
                if not any(f"header.{one}" in str(error) for one in contacts):
                    raise
                self._own = False
        return self.client.create(PERSONS, header)

    def _look(self, made: str, name: str) -> None:
        """Whether the name has arrived."""
        found = self.client.one(made)
        if found is None:
            raise InDoubt(T("Dilovod does not show the party that it has made ({id}).", id=made))
        header = part(found.get("header"))
        if named(header.get("name")) != name:
            raise held(
                T("Dilovod shows the name {there} for the party {name}.", there=named(header.get("name")) or "—",
                  name=name),
                code="dilovod-kept",
            )  # fmt: skip


def _header(party: Party, name: str) -> dict[str, Any]:
    details: dict[str, Any] = {
        "phones": [{"pr": party.phone.removeprefix("+"), "kind": "phone"}] if party.phone else [],
        "emails": [{"pr": party.email, "kind": "email"}] if party.email else [],
        "messengers": [],
        "urls": [],
        "attributes": [],
        "notes": [],
        "names": [{"pr": both(name), "kind": "fullName"}],
    }
    person = " ".join(filter(None, (party.last_name, party.first_name, party.middle_name)))
    notes = [person] if party.company and person else []
    notes += [str(T("VAT number {number}", number=party.tax_number))] if party.tax_number and party.edrpou else []
    header: dict[str, Any] = {"name": both(name), "details": json.dumps(details, ensure_ascii=False)}
    if tax := party.edrpou or party.tax_number:
        header["taxCode"] = tax
    if party.kind != "company" and not party.company:
        header["personType"] = NATURAL_PERSON
    if notes:
        header["remark"] = "\n".join(notes)
    return header


def ways(number: str) -> list[str]:
    """The ways in which people type a telephone of Ukraine; of another country as it is, with and without a plus."""
    exact = phone(number)
    digits = exact.removeprefix("+") or re.sub(r"\D", "", number)
    if not digits:
        return []
    found = [digits, f"+{digits}", number]
    if len(digits) == 12 and digits.startswith("380"):
        code, one, two, three = digits[3:5], digits[5:8], digits[8:10], digits[10:]
        found += [digits[2:], f"80{digits[3:]}", f"8 0{code} {one} {two} {three}"]
        for country in ("", "+38", "+38 "):
            for begin in (f"0{code} ", f"(0{code}) ", f"(0{code})", f"0{code}-"):
                found += [f"{country}{begin}{one}{apart}{two}{apart}{three}" for apart in ("-", " ")]
        found += [
            f"+380 {code} {one} {two} {three}",
            f"+380({code}){one}-{two}-{three}",
            f"+380-{code}-{one}-{two}-{three}",
        ]
    return list(dict.fromkeys(found))


def _tax_codes(party: Party) -> list[str]:
    return [one for one in (party.edrpou, party.tax_number) if one]


def _text(value: str) -> str:
    return value.strip()


def _mail(value: str) -> str:
    return value.strip().lower()
