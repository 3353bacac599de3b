"""``mistok replay --as-of-config FILE``: what another config would have made of what came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli import common
from pipeline.texts import TN, T, Text, hide_from_now_on

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig
    from pipeline.engine.replay.choose import Asked
    from pipeline.engine.replay.lines import Compared

SHOWN = 200  #: differences that a screen tells one by one
DAYS = 30  #: that a config is tried on

WORDS: Mapping[str, Text] = {
    "created": T("document made"),
    "held": T("held"),
    "nothing": T("nothing to do"),
    "changed": T("asked about other content"),
    "amended": T("document amended"),
    "cancelled": T("document marked cancelled"),
    "ignored": T("other content ignored"),
    "same": T("known already"),
    "untaken": T("not taken"),
    "quarantined": T("in a quarantined file"),
}
COLUMNS = (("what", T("Orders")), ("was", T("Were")), ("would", T("Would be")))


def compare(
    config: ClientConfig, path: Path, asked: Asked, *, job: str | None, limit: int | None, as_json: bool
) -> int:
    """Tell in what the config at ``path`` would have made something else of what came; the exit code."""
    from pipeline.cli.replay import watched
    from pipeline.config.masking import mask
    from pipeline.engine.replay import compare as engine
    from pipeline.engine.replay.choose import choose
    from pipeline.engine.runtime import Client

    teller = _Teller(SHOWN if limit is None else limit, as_json=as_json)
    with Client.open(config, read_only=True) as client, watched(as_json=as_json) as tell:
        other = engine.other_client(client, path)
        secrets = engine.both_secrets(config, other.config)
        hide_from_now_on(lambda words: mask(words, secrets))
        period = asked if asked.since or asked.words or asked.cards or asked.all_held else _last_days(asked, client)
        picks = choose(client, period, report=tell)
        for one in engine.compare(client, other, picks, job=job, report=tell):
            teller.take(one)
    teller.close(path, period, files=len(picks))
    return common.DONE


def _last_days(asked: Asked, client: Any) -> Asked:
    from datetime import timedelta

    until = asked.until or client.clock.now()
    return replace(asked, since=(until - timedelta(days=DAYS)).astimezone(client.config.zone))


class _Teller:
    """Prints differences as they are found, or keeps them for JSON; counts all."""

    def __init__(self, limit: int, *, as_json: bool) -> None:
        self.limit, self.as_json = limit, as_json
        self.rows: list[dict[str, Any]] = []
        self.was: Counter[str] = Counter()
        self.would: Counter[str] = Counter()
        self.fields: Counter[str] = Counter()
        self.names: dict[str, Text] = {}
        self.files: Counter[tuple[str, str]] = Counter()
        self.differing = self.orders = self.left_out = 0

    def take(self, one: Compared) -> None:
        """One more order or file."""
        if one.order:
            self.orders += 1
            self.was[one.was] += 1
            self.would[one.would] += 1
        else:
            self.files[one.was, one.would] += 1
        if one.text is None:
            return
        self.differing += 1
        for name, words in {field.path.partition("/")[0]: field.names[0] for field in one.fields}.items():
            self.fields[name] += 1
            self.names[name] = words
        if self.as_json:
            self.rows.append(_data(one))
        elif self.differing <= self.limit:
            from rich.text import Text as Rich

            common.console().print(Rich(str(one.text)), soft_wrap=True)
        else:
            self.left_out += 1

    def close(self, path: Path, asked: Asked, *, files: int) -> None:
        """The sums of it, or the JSON."""
        if self.as_json:
            common.print_json(
                {
                    "config": path,
                    "since": asked.since,
                    "until": asked.until,
                    "files": files,
                    "orders": self.orders,
                    "was": dict(self.was),
                    "would": dict(self.would),
                    "fields": dict(self.fields),
                    "differences": self.rows,
                }
            )
            return
        out = common.console()
        if self.left_out:
            out.print(str(T("… and {n} more (-n shows more, --json all).", n=self.left_out)))
        if not files:
            out.print(str(T("No file came in this period: there is nothing to compare.")))
            return
        rows = [
            {"what": str(WORDS.get(word, word)), "was": self.was[word], "would": self.would[word]}
            for word in dict.fromkeys((*self.was, *self.would))
        ]
        common.table(COLUMNS, rows, empty=T("There is no order in these files."))
        if self.fields:
            told = [f"{self.names[name]}: {n}" for name, n in self.fields.most_common()]
            out.print(
                str(T("Fields of documents that would differ, in how many orders: {fields}.", fields=", ".join(told)))
            )
        out.print(str(_sum(self.differing, files, self.orders, path)))
        out.print(str(T("Nothing was changed: this only tells what would have been.")))


def _sum(differing: int, files: int, orders: int, path: Path) -> Text:
    said = T(
        "{files}, {orders}",
        files=TN("{n} file", "{n} files", files),
        orders=TN("{n} order", "{n} orders", orders),
    )
    if not differing:
        return T("{said}: {config} would have made the same of all of them.", said=said, config=path.name)
    return TN(
        "{said}: {config} would have made something else of {n} of them.",
        "{said}: {config} would have made something else of {n} of them.",
        differing,
        said=said,
        config=path.name,
    )


def _data(one: Compared) -> dict[str, Any]:
    return {
        "file": one.file,
        "order": one.order or None,
        "was": one.was,
        "would": one.would,
        "text": str(one.text),
        "fields": [{"path": field.path, "before": field.before, "after": field.after} for field in one.fields],
        "findings": list(one.findings),
    }
