"""Lists that documents refer to. The API tells few of them; the rest is what the config names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pipeline.api import ConfigError, Ref, T
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm.client import KeepinApi
from plugins.systems.keepincrm.settings import KeepinSettings
from plugins.systems.keepincrm.stock import Offices


class Lists:
    """References of one account."""

    def __init__(self, api: KeepinApi, settings: KeepinSettings, offices: Offices) -> None:
        self._api, self._settings, self._offices = api, settings, offices

    def all(self, kind: str) -> Sequence[Ref]:
        """All of that kind that are known, ordered by code. Clients are not told so: there are too many."""
        orders = self._settings.orders
        match kind:
            case "warehouse":
                found = list(self._offices.named())
            case "user" | "executor":
                found = [Ref(str(own), code, code) for code, own in orders.users.items()]
            case "currency":
                found = [Ref(code, code, code) for code in orders.currencies]
            case "status":
                found = [Ref(str(own), code, code) for code, own in orders.stages.items()]
            case "source":
                found = [Ref(str(own), code, code) for code, own in orders.sources.items()]
            case _:
                found = []
        return sorted(found, key=lambda ref: ref.code)

    def find(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """The known ones of ``codes``; of clients those that have such a number. Raises Refused, Transient."""
        if kind != "party":
            return {ref.code: ref for ref in self.all(kind) if ref.code in codes}
        found: dict[str, Ref] = {}
        for code in sorted(codes):
            row = self._api.one(f"/clients/{code}") if code.isascii() and code.isdigit() else None
            if row is not None:
                found[code] = Ref(code, code, v.text(row.get("company")) or v.text(row.get("person")))
        return found

    def ensure(self, kind: str, code: str) -> Ref:
        """One that is known. Raises ConfigError for any other: none is made by the API."""
        known = self.find(kind, [code]).get(code)
        if known is not None:
            return known
        raise ConfigError(
            T("KeepinCRM makes no references of kind {kind} by its API: {code} is not known.", kind=kind, code=code),
            hint=T("Make it in the CRM, and name it in the connection with its number."),
        )
