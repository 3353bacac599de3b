"""Parameters of agreements: how orders are read from KeepinCRM, and made in it."""

from __future__ import annotations

import re
from string import Formatter
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from pipeline.api import Duration, Settings, T, parse_duration

_TITLE = frozenset({"client", "source", "id", "number"})
_NINETY = parse_duration("90d")
Id = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]


class Service(Settings):
    """How a part of an order that is no product stands among an agreement's lines."""

    title: Name
    """Name of the line."""
    sku: str
    """Article of the line. Without one the CRM may add a new product for each agreement."""


class OrderSettings(Settings):
    """``orders:``: how agreements are read, made and changed."""

    source: Name | None = None
    """What orders read from the CRM name as their source; the connection's name when not given."""
    window: Duration = Field(default=_NINETY, validate_default=True)
    """Agreements ordered longer ago than this are not looked at again for changes."""
    title: str = "Замовлення {id} ({source})"
    """Title of an agreement that is made of an order, by which it is found again: `{id}` and `{source}` must be in it,
    `{number}` and `{client}` may. Leave it as it is once agreements were made."""
    mark_field: Name | None = None
    """Field of the account's own that takes the order's key, besides the title: `field_12`, or the field's title."""
    sources: dict[str, Id] = Field(default_factory=dict)
    """Source of an order -> number of the source in the CRM: `{shop: 5}`."""
    source_id: Id | None = None
    """Number of the CRM's source for orders of all other sources."""
    funnel_id: Id | None = None
    """Number of the funnel that new agreements go to."""
    stages: dict[str, Id] = Field(default_factory=dict)
    """Name of a stage -> its number: `{Нове: 3, Відправлено: 7}`. The API does not tell them."""
    statuses: dict[str, Name] = Field(default_factory=dict)
    """Name or number of a stage -> status of the order format: `{Відправлено: shipped}`. Besides: an agreement that is
    won is `completed`, one that is lost `cancelled`; any other stage is told by its name."""
    stage: Name | None = None
    """Name of the stage of new agreements, one of `stages`; the funnel's first one when not given."""
    stage_for: dict[str, Name] = Field(default_factory=dict)
    """Status of an order -> name of the stage that its agreement gets, one of `stages`:
    `{confirmed: Підтверджено, cancelled: Скасовано}`. Orders of other statuses get `stage` when they are new, and
    stay where they are when they are changed."""
    close: bool = False
    """`true`: agreements are closed as won or lost by the API (`result`), and opened again; whether an account takes
    that was never seen. Without it they go to a stage that `stage_for` names."""
    change_lines: bool = False
    """`true`: the lines of an agreement whose order has changed are exchanged by their ids; whether an account takes
    that was never seen, so try it on one agreement first. Without it such a change waits for a person."""
    users: dict[str, Id] = Field(default_factory=dict)
    """Code of a user or executor in a step -> number of the responsible person in the CRM: `{olena: 12}`."""
    responsible_id: Id | None = None
    """Number of the person responsible for agreements of which a step names nobody."""
    lead: bool = False
    """`true`: the buyer becomes a lead, not a client."""
    currencies: tuple[str, ...] = ("UAH", "USD", "EUR")
    """Currencies of orders that the account takes."""
    delivery: Service = Service(title="Доставка", sku="DELIVERY")
    """Line of the delivery cost."""
    fee: Service = Service(title="Комісія", sku="FEE")
    """Line of the payment's fee."""
    tax: Service = Service(title="ПДВ", sku="VAT")
    """Line of the tax, of orders whose prices are without it."""
    number_comment: str = "Документ {number}"
    """Line that an agreement's comment gets for the number of its document."""
    tracking_comment: str = "ТТН {tracking}"
    """Line that an agreement's comment gets for a parcel's number."""

    @field_validator("title")
    @classmethod
    def _title(cls, value: str) -> str:
        found = _fields_of(value)
        if not found <= _TITLE or not {"id", "source"} <= found:
            raise ValueError(T("The title must have {{id}} and {{source}} in it, such as: {example}.",
                               example="Замовлення {id} ({source})"))  # fmt: skip
        return value

    @field_validator("number_comment", "tracking_comment")
    @classmethod
    def _comment(cls, value: str, info: object) -> str:
        name = str(getattr(info, "field_name", "")).removesuffix("_comment")
        if _fields_of(value) != {name}:
            raise ValueError(T("This text must have {field} in it, and nothing else in braces.", field=f"{{{name}}}"))
        return value

    @model_validator(mode="after")
    def _stage_is_known(self) -> OrderSettings:
        if self.stage is not None and self.stage not in self.stages:
            raise ValueError(T("`stage: {name}` is not among `stages`.", name=self.stage))
        unknown = next((one for one in self.stage_for.values() if one not in self.stages), None)
        if unknown is not None:
            raise ValueError(T("The stage {name} of `stage_for` is not among `stages`.", name=unknown))
        return self

    def stage_of(self, status: str) -> int | None:
        """Number of the stage for orders of this status; None where `stage_for` does not name it."""
        name = self.stage_for.get(status)
        return None if name is None else self.stages[name]


def _fields_of(template: str) -> set[str]:
    """The names in the braces of a template; what is no plain name makes it none of ours."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        return {"?"}
    names = {name for _text, name, _spec, _conversion in parts if name is not None}
    plain = all(not spec and not conversion for _text, name, spec, conversion in parts if name is not None)
    return names if plain and all(re.fullmatch(r"[a-z]+", name) for name in names) else {"?"}
