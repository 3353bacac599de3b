"""The notices that Mistok writes, as values: what a person reads in a popup and in ``mistok notices``.

Pure: each function takes what happened and gives a Notice. The ledger keeps it in the transaction that records the
outcome; :mod:`pipeline.alerts.outbox` delivers it afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from pipeline.errors import Finding
from pipeline.model import Money
from pipeline.ports import Notice
from pipeline.texts import TN, T, Text, verbatim

#: What people call a currency; any other goes by its code.
_CURRENCIES: Mapping[str, Text] = {"UAH": T("UAH"), "USD": T("USD"), "EUR": T("EUR")}

#: How many numbers a summary names before it says how many more there are.
NAMED = 5


def money(value: Money) -> Text:
    """An amount for a reader: ``1 240,50 грн`` in Ukrainian. The spaces do not break."""
    currency = _CURRENCIES.get(value.currency) or verbatim(value.currency)
    return T("{amount}\u00a0{currency}", amount=value.rounded().amount, currency=currency)


def order(
    subject: str, *, number: str, customer: str, total: Money, items: int, document: str = "", source: str = ""
) -> Notice:
    """A new order became a document. ``items`` counts its lines; ``subject`` is ``order:<id>`` of the ledger."""
    lines = [
        verbatim(customer) if customer.strip() else T("Customer not named"),
        T("{total} · {items}", total=money(total), items=TN("{n} item", "{n} items", items)),
    ]
    if document and source:
        lines.append(T("Document {document}, {source}", document=document, source=source))
    elif document:
        lines.append(T("Document {document}", document=document))
    return Notice(
        kind="order",
        subject=subject,
        # Short, since desktops cut a title that is too long for one line.
        title=T("New order {number}", number=number),
        body=stacked(lines),
        data={
            "number": number,
            "customer": customer,
            "total": str(total.rounded().amount),
            "currency": total.currency,
            "items": items,
            "document": document,
            "source": source,
        },
    )


def held(subject: str, number: str, finding: Finding) -> Notice:
    """An order waits for a person; ``finding`` says why and what to do."""
    return Notice(
        kind="held",
        subject=subject,
        title=T("Order {number} waits for you", number=number),
        body=stacked(_words(finding)),
        data={"number": number, "code": finding.code},
    )


def changed(subject: str, number: str, finding: Finding, what: Text) -> Notice:
    """A booked order came again with other content, and a person is asked; ``what``: the main differences."""
    lines = [finding.text, what, *([finding.hint] if finding.hint else [])]
    return Notice(
        kind="held",
        subject=subject,
        title=T("Order {number} waits for you", number=number),
        body=stacked(lines),
        data={"number": number, "code": finding.code},
    )


def amended(subject: str, number: str, document: str, total: Money, what: Text) -> Notice:
    """A document was brought to a newer content of its order; ``what``: the main differences."""
    lines = [
        T("Document {document} has the new content now: {total}.", document=document, total=money(total)),
        what,
    ]
    return Notice(
        kind="amended",
        subject=subject,
        title=T("Order {number} has changed", number=number),
        body=stacked(lines),
        data={"number": number, "document": document, "code": "amended"},
    )


def cancelled(subject: str, number: str, document: str, status: str) -> Notice:
    """A document was marked cancelled, because its order was."""
    return Notice(
        kind="amended",
        subject=subject,
        title=T("Order {number} is cancelled", number=number),
        body=T(
            "The shop says {status}. Document {document} is marked so, and its stock is free again.",
            status=status,
            document=document,
        ),
        data={"number": number, "document": document, "code": "cancelled"},
    )


def quarantined(subject: str, name: str, finding: Finding) -> Notice:
    """A file could not be accepted. ``name`` is its name on the server."""
    return Notice(
        kind="quarantined",
        subject=subject,
        title=T("A file is in quarantine"),
        body=stacked([verbatim(name), *_words(finding, name)]),
        data={"name": name, "code": finding.code},
    )


def failure(subject: str, job: str, finding: Finding) -> Notice:
    """Something in a job does not work (a server, rights, a disk)."""
    return Notice(
        kind="failure",
        subject=subject,
        title=T("Job {job} has a problem", job=job),
        body=stacked(_words(finding)),
        data={"job": job, "code": finding.code},
    )


def disk_full(subject: str, job: str, finding: Finding) -> Notice:
    """A disk of this machine is full: one notice, whatever jobs need it. ``job``: the one that met it first."""
    return Notice(
        kind="failure",
        subject=subject,
        title=T("A disk is full"),
        body=stacked(_words(finding)),
        data={"job": job, "code": finding.code},
    )


def archive_elsewhere(subject: str, finding: Finding) -> Notice:
    """Machines that share a ledger have archives of their own."""
    return Notice(
        kind="failure",
        subject=subject,
        title=T("Copies of files are not in the archive"),
        body=stacked(_words(finding)),
        data={"code": finding.code},
    )


def connection_failure(subject: str, connection: str, finding: Finding) -> Notice:
    """A server cannot be used: one notice, whatever jobs need it."""
    return Notice(
        kind="failure",
        subject=subject,
        title=T("Connection {connection} does not work", connection=connection),
        body=stacked(_words(finding)),
        data={"name": connection, "code": finding.code},
    )


def connection_is_back(subject: str, connection: str, since: datetime) -> Notice:
    """A server can be used again; ``since`` (in the reader's zone) is when it began to fail."""
    return Notice(
        kind="failure",
        subject=subject,
        title=T("Connection {connection} works again", connection=connection),
        body=T("It did not work since {since}. What was left lying is taken now.", since=since),
        data={"name": connection, "code": ""},
    )


def quiet(subject: str, inbox: str, finding: Finding) -> Notice:
    """Nothing has arrived in ``inbox`` for unusually long; ``finding`` says what was seen there, and who is to look."""
    return Notice(
        kind="failure",
        subject=subject,
        title=T("Nothing comes to {inbox}", inbox=inbox),
        body=stacked(_words(finding)),
        data={"name": inbox, "code": finding.code},
    )


def quiet_no_more(subject: str, inbox: str, since: datetime, first: datetime) -> Notice:
    """Files come again: the silence since ``since`` ended at ``first`` (both in the reader's zone)."""
    return Notice(
        kind="failure",
        subject=subject,
        title=T("Files come to {inbox} again", inbox=inbox),
        body=T("The first one came at {first}; before it, nothing since {since}.", first=first, since=since),
        data={"name": inbox, "code": ""},
    )


def config_wrong(subject: str, file: str, finding: Finding, more: int) -> Notice:
    """The config was edited while the service runs, and is wrong now."""
    lines = _words(finding)
    if more:
        lines.append(
            TN("{n} more mistake; `mistok check` shows it", "{n} more mistakes; `mistok check` shows them", more)
        )
    lines.append(T("The service goes on with the config that it has; but it would not start anew."))
    return Notice(
        kind="failure",
        subject=subject,
        title=T("The config {file} is wrong", file=file),
        body=stacked(lines),
        data={"name": file, "code": finding.code},
    )


def config_right(subject: str, file: str) -> Notice:
    """What was wrong with the config is mended."""
    return Notice(
        kind="failure",
        subject=subject,
        title=T("The config {file} is right again", file=file),
        body=T("The service works by it from now on."),
        data={"name": file, "code": ""},
    )


def brake(subject: str, job: str, finding: Finding) -> Notice:
    """A plan went over a limit: nothing was applied, a person must approve."""
    return Notice(
        kind="brake",
        subject=subject,
        title=T("Job {job} stopped for safety", job=job),
        body=stacked([T("Nothing was changed."), *_words(finding)]),
        data={"job": job, "code": finding.code},
    )


def sync(subject: str, job: str, finding: Finding, count: int) -> Notice:
    """Something of a sync waits for a person: the first of ``count`` findings."""
    return Notice(
        kind="sync",
        subject=subject,
        title=T("Job {job}: {n}", job=job, n=TN("{n} product waits for you", "{n} products wait for you", count)),
        body=stacked(_words(finding)),
        data={"job": job, "code": finding.code, "count": count},
    )


def catalogue(subject: str, name: str, rows: int, connection: str) -> Notice:
    """A catalogue was published as ``name`` on ``connection``."""
    return Notice(
        kind="catalogue",
        subject=subject,
        title=T("The catalogue is published"),
        body=T(
            "{products} · {name} · connection {connection}",
            products=TN("{n} product", "{n} products", rows),
            name=name,
            connection=connection,
        ),
        data={"name": name, "rows": rows, "connection": connection},
    )


def report(
    subject: str,
    *,
    day: date,
    shop: str,
    books: str,
    orders: int,
    differences: int,
    waiting: int,
    late: int,
    place: str,
    page: str = "",
) -> Notice:
    """The sheet of a day was written to ``place``; ``shop`` and ``books`` are its sums, each currency by itself."""
    lines = [
        T("{orders}: {sums} in the shop, {books} by the documents", orders=TN("{n} order", "{n} orders", orders),
          sums=shop, books=books),
        T("Differences: {differences} · waiting: {waiting} · late: {late}", differences=differences, waiting=waiting,
          late=late),
        T("Workbook: {place}", place=place),
    ]  # fmt: skip
    if page:
        lines.append(T("Page: {page}", page=page))
    return Notice(
        kind="report",
        subject=subject,
        title=T("Sheet of {day}", day=day.isoformat()),
        body=stacked(lines),
        data={"day": day.isoformat(), "place": place, "page": page, "differences": differences, "waiting": waiting},
    )


def summary(
    kind: str, count: int, names: Sequence[str], totals: Mapping[str, Decimal], *, late: bool = False
) -> Notice:
    """One notice that stands for ``count`` of one ``kind``.

    Args:
        kind: of the notices that it replaces.
        names: the first order numbers or file names, oldest first; NAMED of them are shown.
        totals: of orders, the sum by currency.
        late: they are old, because nobody could be told before.
    """
    title = headline(kind, count)
    lines = contents(count, names, totals)
    if late:
        lines.append(T("They came while no popup could be shown."))
    lines.append(T("See all of them: mistok notices"))
    return Notice(
        kind="summary",
        title=title,
        body=stacked(lines),
        data={
            "of": kind,
            "count": count,
            "names": [name for name in names[:NAMED] if name],
            "totals": {currency: str(amount) for currency, amount in totals.items()},
        },
    )


def headline(kind: str, count: int) -> Text:
    """How many there are of one kind."""
    match kind:
        case "order":
            return TN("{n} new order", "{n} new orders", count)
        case "held":
            return TN("{n} order waits for you", "{n} orders wait for you", count)
        case "quarantined":
            return TN("{n} file is in quarantine", "{n} files are in quarantine", count)
        case "amended":
            return TN("{n} booked order has changed", "{n} booked orders have changed", count)
        case _:
            return TN("{n} message about problems", "{n} messages about problems", count)


def contents(count: int, names: Sequence[str], totals: Mapping[str, Decimal]) -> list[Text]:
    """The sums of ``count`` notices, and the first names of what they are about: a line each, where there are any."""
    shown = [verbatim(name) for name in names[:NAMED] if name]
    lines: list[Text] = []
    if totals:
        lines.append(_joined([money(Money(amount, currency)) for currency, amount in sorted(totals.items())]))
    if shown:
        more = count - len(shown)
        listed = _joined(shown)
        lines.append(T("{names} and {n} more", names=listed, n=more) if more > 0 else listed)
    return lines


def _words(finding: Finding, named: str = "") -> list[Text]:
    lines = [finding.text]
    where = finding.where
    if where.line and where.file and where.file != named:
        lines.append(T("{file}, line {line}", file=where.file, line=where.line))
    elif where.line:
        lines.append(T("line {line}", line=where.line))
    if finding.hint:
        lines.append(finding.hint)
    return lines


def _joined(parts: Sequence[Text]) -> Text:
    text = parts[0]
    for part in parts[1:]:
        text = T("{first}, {second}", first=text, second=part)
    return text


def stacked(lines: Sequence[Text]) -> Text:
    """Lines, one below the other."""
    text = lines[0]
    for line in lines[1:]:
        text = T("{first}\n{second}", first=text, second=line)
    return text
