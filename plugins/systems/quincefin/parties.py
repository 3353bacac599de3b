"""The partners and contracts of an account: found among all of them, and made where there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.api import Held, InDoubt, Party, Ref, SystemEnv, T, normal_party, phone, tidy
from plugins.systems.quincefin.client import Client, found_after, shown_after
from plugins.systems.quincefin.refusals import held
from plugins.systems.quincefin.settings import FieldNames, QuincefinSettings
from plugins.systems.quincefin.values import Row, currency, flag, ident, own, refers, rows, text

PARTNER, CONTRACT = "partner", "contract"
BUYER = "P"  #: kind of a contract
_EDRPOU = "ЄДРПОУ"
_IN_COMMENT = re.compile(rf"{_EDRPOU}\D{{0,3}}(\d{{8,10}})(?!\d)")
_NEAR, _ALIKE = 10, 0.5


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner, as far as it is known again."""

    id: int
    name: str
    tax: str
    edrpou: str
    phones: frozenset[str]
    mails: frozenset[str]

    @property
    def ref(self) -> Ref:
        """As documents refer to it."""
        return Ref(str(self.id), str(self.id), self.name)


def partner(row: Row, fields: FieldNames) -> Partner | None:
    """A row of ``/partner/list``, with contacts in either form; None for one that is archived."""
    key = own(row)
    if key is None or flag(row.get("Archive")):
        return None
    comment = text(row.get(fields.comment)) if fields.comment else ""
    in_comment = _IN_COMMENT.search(comment)
    phones, mails = contacts(row, fields)
    return Partner(
        id=key,
        name=tidy(text(row.get("Name"))),
        tax=tidy(text(row.get("TaxNumber"))),
        edrpou=tidy(text(row.get(fields.edrpou))) if fields.edrpou else in_comment[1] if in_comment else "",
        phones=frozenset(filter(None, map(phone_key, phones))),
        mails=frozenset(one.strip().casefold() for one in mails if "@" in one),
    )


def contacts(row: Row, fields: FieldNames) -> tuple[list[str], list[str]]:
    """Telephones and mail addresses: rows of ``{Type, Value}``, or fields."""
    phone_names, mail_names = _names(fields.phone, "phone"), _names(fields.email, "email")
    phones = [text(row.get(name)) for name in row if name.casefold() in phone_names]
    mails = [text(row.get(name)) for name in row if name.casefold() in mail_names]
    for one in rows(row.get("Contacts")):
        kind, value = text(one.get("Type")).casefold(), text(one.get("Value"))
        if kind in phone_names:
            phones.append(value)
        elif kind in mail_names:
            mails.append(value)
    return [one for one in phones if one.strip()], [one for one in mails if one.strip()]


def _names(said: str | None, usual: str) -> frozenset[str]:
    return frozenset({usual if said is None else said.casefold()}) - {""}


def phone_key(said: str) -> str:
    """A telephone in one form; one that cannot be read is known by its digits alone, seven at least."""
    digits = re.sub(r"\D", "", said)
    return phone(said) or (digits if len(digits) >= 7 else "")


def partner_body(party: Party, settings: QuincefinSettings) -> dict[str, Any]:
    """The card of a new partner: name, telephone, mail, EDRPOU and tax number; never the address of an order."""
    fields = settings.fields
    party = normal_party(party)
    person = " ".join(filter(None, (party.last_name, party.first_name, party.middle_name)))
    body: dict[str, Any] = {"Name": party.company or person or party.phone or party.email}
    notes = []
    if party.company and person:
        notes.append(person)
    if party.tax_number:
        body["TaxNumber"] = party.tax_number
    elif len(party.edrpou) == 10:  # a person's number is the tax number
        body["TaxNumber"] = party.edrpou
    if party.edrpou and party.edrpou != body.get("TaxNumber"):
        if fields.edrpou:
            body[fields.edrpou] = party.edrpou
        else:
            notes.append(f"{_EDRPOU} {party.edrpou}")
    if fields.comment and notes:
        body[fields.comment] = "; ".join(notes)
    pairs = ((fields.phone, "phone", party.phone), (fields.email, "email", party.email))
    if settings.contacts == "list":
        listed = [{"Type": usual if said is None else said, "Value": value} for said, usual, value in pairs if value]
        if listed:
            body["Contacts"] = listed
    else:
        body |= {usual.title() if said is None else said: value for said, usual, value in pairs if value}
    if settings.partner_folder is not None:
        body["ParentFolder"] = settings.partner_folder
    return {name: value for name, value in body.items() if name}


class Partners:
    """Reads all partners at the first use: the API finds them neither by telephone nor by mail."""

    def __init__(self, client: Client, settings: QuincefinSettings, env: SystemEnv) -> None:
        self.client, self.settings, self.env = client, settings, env
        self._known: dict[int, Partner] | None = None
        self._contracts: dict[tuple[int, int | None, str], int] = {}

    def all(self) -> Mapping[int, Partner]:
        """By id, the oldest first."""
        if self._known is None:
            found = (partner(row, self.settings.fields) for row in self.client.rows(PARTNER))
            self._known = {one.id: one for one in found if one is not None}
        return self._known

    def forget(self) -> None:
        """It may be otherwise now: read it anew."""
        self._known = None

    # --- finding -----------------------------------------------------------------------------------------------------

    def matches(self, party: Party) -> list[Partner]:
        """All that are the same: by code, else EDRPOU or tax number, else phone, else mail."""
        party = normal_party(party)
        numbers = {party.edrpou, party.tax_number} - {""}
        if party.code and (key := ident(party.code)) and (one := self.all().get(key)):
            return [one]
        if numbers and (found := [one for one in self.all().values() if numbers & {one.edrpou, one.tax}]):
            return found
        known_phone, mail = phone_key(party.phone), party.email.casefold()

        def other(one: Partner) -> bool:
            """Of another company: the same telephone says nothing then."""
            theirs = {one.edrpou, one.tax} - {""}
            return bool(numbers and theirs)

        for wanted, has in ((known_phone, "phones"), (mail if "@" in mail else "", "mails")):
            if wanted:
                found = [one for one in self.all().values() if wanted in getattr(one, has) and not other(one)]
                if found:
                    return found
        return []

    def near(self, party: Party) -> Sequence[Ref]:
        """Those whose names are the most alike."""
        from difflib import SequenceMatcher

        wanted = _name_key(party.title)
        if not wanted:
            return ()
        alike = SequenceMatcher(b=wanted, autojunk=False)
        scored = []
        for one in self.all().values():
            alike.set_seq1(_name_key(one.name))
            if alike.quick_ratio() >= _ALIKE and (score := alike.ratio()) >= _ALIKE:
                scored.append((-score, one.id, one))
        return tuple(one.ref for _score, _id, one in sorted(scored)[:_NEAR])

    # --- making ------------------------------------------------------------------------------------------------------

    def ensure(self, party: Party) -> Partner:
        """The one that is the same by now, or a new one. Raises Held, InDoubt, Transient."""
        return next(iter(self._by_now(party)), None) or self.create(party)

    def _by_now(self, party: Party) -> list[Partner]:
        """Matches, with those that came since all were read: they stand at the end of the list, which is by id."""
        found = self.matches(party)
        if not found:
            self.look_again()
        return found or self.matches(party)

    def look_again(self) -> None:
        """Know those as well that came since all were read."""
        for row in self.client.tail(PARTNER, len(self.all())):
            self._know(row)

    def _know(self, row: Row) -> Partner | None:
        one = partner(row, self.settings.fields)
        if one is not None:
            known = self.all()
            assert isinstance(known, dict)
            known[one.id] = one
        return one

    def create(self, party: Party) -> Partner:
        """A new one. Raises Held, InDoubt, Transient."""
        body = partner_body(party, self.settings)
        if not body["Name"]:
            raise held(T("The order has no buyer: no name, no phone, no mail."), code="quincefin-no-buyer")
        before = set(self.all())

        def anew() -> Partner | None:
            self.forget()
            return next((one for one in self._same(party, body["Name"]) if one.id not in before), None)

        try:
            key = self.client.add(PARTNER, body)
        except InDoubt as doubt:
            return found_after(doubt, anew)
        return shown_after(
            lambda: (self._by_id(key) if key is not None else None) or anew(), T("partner {name}", name=body["Name"])
        )

    def _same(self, party: Party, name: str) -> Iterator[Partner]:
        found = self.matches(party)
        yield from found
        if not found:
            yield from (one for one in self.all().values() if one.name == name)

    def _by_id(self, key: int) -> Partner | None:
        for row in self.client.rows(PARTNER, {"Id": key}):
            one = self._know(row) if own(row) == key else None
            if one is not None:
                return one
        return None

    def of_order(self, party: Party) -> Partner:
        """The buyer of an order: found, or made as the settings say. Raises Held where several may be meant."""
        settings = self.settings.orders
        nobody = not any((party.title, party.phone, party.email, party.edrpou, party.tax_number, party.code))
        if nobody:
            if settings.default_partner is None:
                raise held(
                    T("The order has no buyer: no name, no phone, no mail."),
                    T("Name a partner for such orders: `orders: {default_partner: …}` of the connection."),
                    code="quincefin-no-buyer",
                )
            found = self.all().get(settings.default_partner)
            if found is None:
                raise self._gone(settings.default_partner)
            return found
        same = self._by_now(party) if settings.partners == "create" else self.matches(party)
        if len(same) > 1:
            raise Held(
                T("{n} partners of Quincefin may be the buyer {name}: {ids}.", n=len(same),
                  name=party.title or party.phone or party.email, ids=", ".join(str(one.id) for one in same)),
                hint=T("Make them one in Quincefin, or let the order name the partner by its number."),
                code="ambiguous-party",
            )  # fmt: skip
        if same:
            return same[0]
        if settings.partners == "find":
            raise held(
                T("Quincefin does not know the buyer {name}.", name=party.title or party.phone or party.email),
                T("Add the partner, or set `orders: {partners: create}` of the connection."),
                code="unknown-party",
            )
        return self.create(party)

    def _gone(self, key: int) -> Held:
        return held(T("Quincefin has no partner {id}.", id=str(key)), code="quincefin-gone")

    # --- contracts ---------------------------------------------------------------------------------------------------

    def contract(self, key: int, company: int | None, money: str) -> int | None:
        """The contract of a partner with an organisation in a currency; None where contracts are off."""
        settings = self.settings.orders
        if settings.contracts == "off":
            return None
        known = (key, company, money)
        if known not in self._contracts:
            found = self._find_contract(key, company, money)
            if found is None:
                if settings.contracts == "find":
                    raise held(
                        T("Partner {id} has no contract in {currency} in Quincefin.", id=str(key), currency=money),
                        T("Make it there, or set `orders: {contracts: create}` of the connection."),
                        code="quincefin-contract",
                    )
                found = self._make_contract(key, company, money)
            self._contracts[known] = found
        return self._contracts[known]

    def _find_contract(self, key: int, company: int | None, money: str) -> int | None:
        """The oldest that fits: editions differ in what they tell of a contract; what is not told fits."""
        for row in self.client.rows(CONTRACT, {"Partner": key}):
            told = refers(row.get("Partner"))
            kind, of, its = text(row.get("Kind")), refers(row.get("Company")), currency(row)
            if (
                told in (None, key)
                and kind in ("", BUYER)
                and (of is None or company is None or of == company)
                and its in ("", money)
                and not flag(row.get("Archive"))
            ):
                return own(row)
        return None

    def _make_contract(self, key: int, company: int | None, money: str) -> int:
        body: dict[str, Any] = {"Name": self.settings.orders.contract_name, "Kind": BUYER, "Currency": money,
                                "Partner": key}  # fmt: skip
        if company is not None:
            body["Company"] = company
        if (retail := self.settings.price_types.get("retail")) is not None:
            body["PriceType"] = retail
        try:
            made = self.client.add(CONTRACT, body)
        except InDoubt as doubt:
            return found_after(doubt, lambda: self._find_contract(key, company, money))
        return made or shown_after(
            lambda: self._find_contract(key, company, money), T("contract of partner {id}", id=str(key))
        )


def _name_key(name: str) -> str:
    """The words of a name in one order: people write first and last name either way."""
    return " ".join(sorted(re.findall(r"\w+", name.casefold())))
