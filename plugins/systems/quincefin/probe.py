"""What only a write can tell: one partner of our own, marked as such, made, changed and archived again.

Nothing is deleted by this API, as far as is known: archiving is what takes a record away. An order could not be taken
away at all, so that none is made; the names of its fields are looked at in orders that are there.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.api import Held, InDoubt, MistokError, Party, SystemEnv, T, Tried
from plugins.systems.quincefin.client import Client, Form
from plugins.systems.quincefin.parties import PARTNER, contacts, partner_body, phone_key
from plugins.systems.quincefin.settings import QuincefinSettings
from plugins.systems.quincefin.values import Row, flag, own, text

TITLE = "Mistok: проба, буде заархівовано"
PHONE, MAIL = "+380501112233", "mistok@example.com"


class Probe:
    """One partner, and what is tried on it."""

    def __init__(self, client: Client, settings: QuincefinSettings, env: SystemEnv) -> None:
        self.client, self.settings, self.env = client, settings, env
        self.key: int | None = None  #: of the partner, once it is there
        self.form: Form = settings.body
        self.title = f"{TITLE} {env.clock.now():%Y%m%d-%H%M%S}"

    def run(self) -> Iterator[Tried]:
        """See WriteProbe."""
        left: Tried | None = None
        try:
            yield from self._made()
            if self.key is not None:
                yield from self._contacts()
                yield from self._changed()
        finally:
            if self.key is not None:
                left = self._archived()
        if left is not None:
            yield left

    def _made(self) -> Iterator[Tried]:
        """A record by itself, or as an array of one."""
        body = partner_body(Party(last_name=self.title, phone=PHONE, email=MAIL), self.settings)
        forms: tuple[Form, Form] = ("object", "array") if self.settings.body == "object" else ("array", "object")
        for form in forms:
            try:
                self.key = self.client.add(PARTNER, body, form=form) or self._looked_up()
                if self.key is None:
                    words = T("a new partner is taken, and not shown")
                    yield Tried(False, words, needed=True, hint=T("Look for it in Quincefin: {name}", name=self.title))
                    return
            except InDoubt as error:
                self.key = self._looked_up()
                if self.key is None:
                    yield Tried(False, error.text, needed=True, hint=error.hint)
                    return
            except Held as error:
                words = T("new records are not taken (`body: {form}`): {words}", form=form, words=error.text)
                hint = T("Look which `body` of the connection is taken.")
                yield Tried(False, words, needed=form == self.settings.body, hint=hint)
                continue
            self.form = form
            yield Tried(True, T("new records are taken (`body: {form}`)", form=form), needed=True)
            return

    def _looked_up(self) -> int | None:
        name = self.title
        found = (own(row) for row in self.client.rows(PARTNER) if text(row.get("Name")) == name)
        return next((key for key in found if key is not None), None)

    def _row(self) -> Row | None:
        return next((row for row in self.client.rows(PARTNER, {"Id": self.key}) if own(row) == self.key), None)

    def _contacts(self) -> Iterator[Tried]:
        row = self._row() or {}
        phones, mails = contacts(row, self.settings.fields)
        good = phone_key(PHONE) in map(phone_key, phones) and MAIL in mails
        way = f"contacts: {self.settings.contacts}"
        if good:
            yield Tried(True, T("telephone and mail of a partner are kept ({way})", way=way))
        else:
            hint = T(
                "Set `contacts` of the connection the other way; shown are: {names}.", names=", ".join(sorted(row))
            )
            yield Tried(False, T("telephone and mail of a partner are not kept ({way})", way=way), True, hint)

    def _changed(self) -> Iterator[Tried]:
        """A change that names one field: whether the others stay."""
        comment = self.settings.fields.comment or "Comment"
        before = self._row() or {}
        try:
            self.client.update(PARTNER, {"Id": self.key, "Name": before.get("Name"), comment: TITLE}, form=self.form)
        except (Held, InDoubt) as error:
            yield Tried(False, T("changes are not taken: {words}", words=error.text), needed=True)
            return
        after = self._row() or {}
        lost = contacts(before, self.settings.fields) != contacts(after, self.settings.fields)
        way = "full" if lost else "partial"
        if way == self.settings.update:
            yield Tried(True, T("what a change does not name: `update: {way}`", way=way))
        else:
            text_ = T("what a change does not name: the account does it as `update: {way}`", way=way)
            yield Tried(False, text_, True, T("Set `update: {way}` of the connection.", way=way))

    def _archived(self) -> Tried:
        """Take it away, and look whether it is gone from the list."""
        try:
            row = self._row() or {}
            self.client.update(PARTNER, {"Id": self.key, "Name": row.get("Name"), "Archive": True}, form=self.form)
            after = self._row()
            if after is None or flag(after.get("Archive")):
                return Tried(True, T("the partner of our own is archived again"))
        except MistokError as error:
            words = T(
                "The partner of our own could not be archived ({id}): {words}", id=str(self.key), words=error.text
            )
            return Tried(False, words, needed=True, hint=T("Archive it in Quincefin by hand."))
        words = T("The partner of our own is still there ({id}).", id=str(self.key))
        return Tried(False, words, needed=True, hint=T("Archive it in Quincefin by hand."))
