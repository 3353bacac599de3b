"""What is said of mappings that are wrong, and of files that are no catalogue at all."""

from __future__ import annotations

from pipeline.api import Rejected, T, Text, Where
from plugins.formats._declared.rule import Loc
from plugins.formats._declared.settings import PathCheck, check_rules
from plugins.formats._goods.fields import GoodsFields, TreeSettings


def check_tree(settings: TreeSettings, path_check: PathCheck) -> None:
    """Raises ValidationError with every mistake of a mapping, each at its place."""
    paths: dict[Loc, str] = {("product",): settings.product, **named(settings.fields, ("fields",))}
    if settings.variants is not None:
        paths["variants", "each"] = settings.variants.each
        if settings.variants.fields.named_options is not None:
            paths["variants", "fields", "named_options", "each"] = settings.variants.fields.named_options.each
    if settings.categories is not None:
        paths["categories", "each"] = settings.categories.each
    found: list[tuple[Loc, ValueError]] = []
    if settings.variants is not None and settings.fields.group is not None:
        text = T("Variants stand either inside of their product (`variants`) or in rows of their own (`group`).")
        found.append((("variants",), ValueError(text)))
    check_rules(settings, paths, path_check, found)


def named(fields: GoodsFields, loc: Loc) -> dict[Loc, str]:
    """The path of the options that a file itself names, if it is mapped."""
    return {(*loc, "named_options", "each"): fields.named_options.each} if fields.named_options is not None else {}


def nothing(path: str, where: Where, hint: Text | None) -> Rejected:
    """What is said of a file in which the path of the products leads nowhere."""
    return Rejected(T("There is no product at `{path}`.", path=path), code="no-goods", where=where, hint=hint)
