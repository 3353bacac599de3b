"""``mistok init DIR``: a commented client folder, ready to be edited, or to be run as it is."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pipeline.cli import common
from pipeline.cli.init_accounting import BOOKS, Accounting, chosen, nested
from pipeline.errors import ConfigError, system_words
from pipeline.texts import TN, T, Text, current_language

ServerKind = Literal["local", "sftp", "ftp", "ftps"]
JOBS = ("catalogue", "orders")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TEMPLATES = Path(__file__).with_name("templates")
_SECRET = Path("secrets") / "site-password"
_PLACEHOLDER = "change-me"
_COMMENT_COLUMN = 30


@dataclass(frozen=True, slots=True)
class Server:
    """Where the site is reached."""

    kind: ServerKind = "local"
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: str | None = None  #: goes into ``secrets/``; a placeholder is written when not given
    key: str | None = None  #: private key file of SFTP, relative to the client folder
    root: str | None = None  #: folder on the server


@dataclass(frozen=True, slots=True)
class Shape:
    """What the client's config is to hold."""

    jobs: tuple[str, ...] = JOBS
    timezone: str = "Europe/Kyiv"
    currency: str = "UAH"

    def check(self) -> None:
        """Raises ConfigError for a job, zone or currency that there is not."""
        from zoneinfo import available_timezones

        from pipeline.config.suggest import did_you_mean, one_of

        for job in self.jobs:
            if job not in JOBS:
                raise ConfigError(T("`{value}` is no job that can be made here.", value=job), hint=one_of(job, JOBS))
        if not self.jobs:
            raise ConfigError(T("At least one job is needed."), hint=one_of("", JOBS))
        zones = available_timezones()
        if self.timezone not in zones:
            raise ConfigError(
                T("Time zone `{name}` is not known.", name=self.timezone),
                hint=did_you_mean(self.timezone, zones - {"Europe/Kiev"}) or T("Write one such as Europe/Kyiv."),
            )
        if not re.fullmatch(r"[A-Z]{3}", self.currency):
            raise ConfigError(
                T("`{value}` is no currency.", value=self.currency), hint=T("Write three capital letters, such as UAH.")
            )


def init(
    directory: Path,
    *,
    server: Server | None = None,
    client: str | None = None,
    language: str = "uk",
    shape: Shape | None = None,
    accounting: Accounting | None = None,
    further: Mapping[str, bytes] | None = None,
) -> tuple[Path, ...]:
    """Make a client folder in ``directory`` and give the files that were written. ``further``: more of them.

    Raises ConfigError, before anything is written, when a file is there already or an option does not fit.
    """
    server = server or Server()
    _check(server)
    shape = shape or Shape()
    shape.check()
    name = client or client_name(directory)
    if not NAME.fullmatch(name):
        raise ConfigError(
            T("`{name}` cannot be the name of a client.", name=name),
            hint=T("Names have Latin letters, digits, `-`, `_` and `.`: give one with --client."),
        )
    accounting = accounting or Accounting()
    check_jobs(shape, accounting)
    files = _contents(server, name, language if language in ("uk", "en") else "en", shape, accounting)
    files |= {Path(path): data.decode("utf-8") for path, data in (further or {}).items()}
    copies = _copies(server, accounting)
    taken = [path for path in (*files, *copies) if (directory / path).exists()]
    if taken:
        raise ConfigError(
            TN(
                "{folder} has a file that would be overwritten; nothing was written: {files}",
                "{folder} has {n} files that would be overwritten; nothing was written: {files}",
                len(taken),
                folder=str(directory),
                files=", ".join(path.as_posix() for path in taken),
            ),
            hint=T("Choose another folder, or move them away."),
            code="init-exists",
        )
    try:
        return _write(directory, files, copies, server)
    except OSError as error:
        raise ConfigError(
            T(
                "{path} cannot be written: {words}",
                path=str(error.filename or directory),
                words=system_words(error),
            ),
            hint=T("Check the rights and the free space of the folder."),
        ) from error


def command(
    directory: Annotated[Path, typer.Argument(help=str(T("Folder to make.")), show_default=False)],
    server: Annotated[
        str | None,
        typer.Option(help=str(T("Where the site is: local (a folder here), sftp, ftp or ftps.")), show_default=False),
    ] = None,
    host: Annotated[str | None, typer.Option(help=str(T("Name or address of the server.")))] = None,
    port: Annotated[
        int | None, typer.Option(help=str(T("Its port, when not the usual one.")), min=1, max=65535)
    ] = None,
    user: Annotated[str | None, typer.Option(help=str(T("Login name.")))] = None,
    key: Annotated[str | None, typer.Option(help=str(T("Private key file, instead of a password (SFTP).")))] = None,
    root: Annotated[str | None, typer.Option(help=str(T("Folder on the server from which all folders count.")))] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help=str(T("Read the password from standard input into `secrets/`.")))
    ] = False,
    client: Annotated[
        str | None, typer.Option(help=str(T("Name of the client; the folder's name by default.")))
    ] = None,
    language: Annotated[
        str | None, typer.Option(help=str(T("Language of comments, messages and notices: uk or en.")))
    ] = None,
    jobs: Annotated[
        list[str] | None,
        typer.Option("--job", help=str(T("A job to make: catalogue or orders; both by default.")), show_default=False),
    ] = None,
    timezone: Annotated[str, typer.Option(help=str(T("Time zone of the shop.")))] = Shape().timezone,
    currency: Annotated[str, typer.Option(help=str(T("Currency of the shop.")))] = Shape().currency,
    accounting: Annotated[
        str, typer.Option(help=str(T("Where orders go: books (embedded), or a system of mistok plugins.")))
    ] = BOOKS,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help=str(T("A setting of the accounting, as KEY=VALUE.")), show_default=False),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help=str(T("Ask nothing: what is not given is as by default.")))
    ] = False,
) -> None:
    """Make a commented client folder; asks at a terminal when no server is named."""
    with common.cards():
        if language not in (None, "uk", "en"):
            common.usage(T("Language `{value}` is not known.", value=language), T("Write uk or en."))
        books = _accounting(accounting, settings or ())
        shape = Shape(tuple(dict.fromkeys(jobs or jobs_for(books))), timezone, currency)
        shape.check()
        speaks = language or current_language()
        further: Mapping[str, bytes] = {}
        if server is None and not yes and not password_stdin and sys.stdin.isatty() and sys.stdout.isatty():
            from pipeline.cli.init_questions import ask

            answers = ask(directory, client, speaks, shape, books)
            where, client, speaks = answers.server, answers.client, answers.language
            shape, further, books = answers.shape, answers.pinned, answers.accounting
        else:
            password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
            where = Server(kind_of(server or "local"), host, port, user, password or None, key, root)
        init(
            directory,
            server=where,
            client=client,
            language=speaks,
            shape=shape,
            accounting=books,
            further=further,
        )
        _tell(directory, where, client or client_name(directory), books, trusted=bool(further))


def _accounting(name: str, settings: Sequence[str]) -> Accounting:
    """What the options say of it. Raises ConfigError."""
    if name == BOOKS and not settings:
        return Accounting()
    from pipeline.registry import load_registry

    given: dict[str, str] = {}
    for one in settings:
        key, sign, value = one.partition("=")
        if not sign or not value.strip():
            common.usage(T("`{value}` is no KEY=VALUE.", value=one))
        given[key.strip()] = value.strip()
    made = chosen(load_registry(sources=()), name, given)
    for asked in made.wanted:
        if asked.secret and asked.key in given:
            common.usage(
                T("{key} is a secret: others could read it on the command line.", key=asked.key),
                T("Leave it out; it is taken from the environment: {name}.", name=made.variable_of(asked)),
            )
    return made


def jobs_for(accounting: Accounting) -> tuple[str, ...]:
    """The jobs that it can do."""
    return JOBS if accounting.products else ("orders",)


def check_jobs(shape: Shape, accounting: Accounting) -> None:
    """Raises ConfigError for a job that the accounting cannot do."""
    if not set(shape.jobs) <= set(jobs_for(accounting)):
        raise ConfigError(
            T("{name} tells no products, so it has no catalogue to publish.", name=accounting.type),
            hint=T("Take orders only: --job orders"),
        )


def _tell(directory: Path, server: Server, client: str, accounting: Accounting, *, trusted: bool = False) -> None:
    out = common.console()
    config = common.quoted(directory / "config.yaml")
    out.print(str(T("Made {path}.", path=str(directory))), soft_wrap=True, markup=False)
    named = T("The client is called {name}: a part of every document's key, so do not change it later.", name=client)
    out.print(str(named), soft_wrap=True, markup=False)
    steps: list[Text] = []
    if server.kind != "local" and not server.key and not server.password:
        steps.append(T("Put the password into {path}.", path=str(directory / _SECRET)))
    if variables := accounting.variables():
        steps.append(
            T(
                "Set {names} in the environment; a service takes them from service.env beside the config.",
                names=", ".join(variables),
            )
        )
    if server.kind == "sftp" and not trusted:
        steps.append(T("Accept the server's key: mistok --config {path} trust site", path=config))
    steps.append(T("Try it: mistok --config {path} check --connect", path=config))
    for number, step in enumerate(steps, 1):
        out.print(f"{number}. {step}", soft_wrap=True, markup=False)


def kind_of(word: str) -> ServerKind:
    """The word as a kind of server. Raises ConfigError."""
    match word:
        case "local" | "sftp" | "ftp" | "ftps":
            return word
    return common.usage(T("`{value}` is not a kind of server.", value=word), T("Write local, sftp, ftp or ftps."))


def _check(server: Server) -> None:
    given = {"--host": server.host, "--user": server.user}
    if server.kind == "local":
        extra = [name for name, value in {**given, "--key": server.key, "--port": server.port}.items() if value]
        if extra:
            raise ConfigError(
                T("{option} says nothing for a local folder.", option=extra[0]),
                hint=T("Add --server sftp, ftp or ftps."),
            )
        return
    for name, value in given.items():
        if not value:
            raise ConfigError(
                T("{option} is missing: a server of kind {kind} needs it.", option=name, kind=server.kind),
                hint=T("Such as: mistok init shop --server sftp --host shop.example --user mistok"),
            )
    if server.key and server.kind != "sftp":
        raise ConfigError(T("--key goes with --server sftp only."))


#: Ukrainian letters in Latin ones, by the national standard of 2010; and the few of Russian that it lacks.
_LATIN = dict(
    zip(
        "абвгґдежзиіклмнопрстуфхцчшщьыэёъ'’ʼ",
        "a b v h g d e zh z y i k l m n o p r s t u f kh ts ch sh shch  y e io    ".split(" "),  # noqa: SIM905 - side by side
        strict=True,
    )
)
#: (at the beginning of a word, inside it)
_BY_PLACE = {"є": ("ye", "ie"), "ї": ("yi", "i"), "й": ("y", "i"), "ю": ("yu", "iu"), "я": ("ya", "ia")}


def latin(words: str) -> str:
    """Cyrillic words in Latin letters, as in Ukrainian passports: ``Фарба Шоп`` -> ``farba shop``. Others stay."""
    if not any(letter in _LATIN or letter in _BY_PLACE for letter in words.lower()):
        return words
    text = unicodedata.normalize("NFC", words).lower().replace("зг", "zgh")
    out = []
    for before, letter in zip(" " + text, text, strict=False):
        if letter in _BY_PLACE:
            out.append(_BY_PLACE[letter][before.isalpha() or before in "'’ʼ"])
        else:
            out.append(_LATIN.get(letter, letter))
    return "".join(out)


def client_name(directory: Path) -> str:
    """The name of a client made of its folder's."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", latin(directory.resolve().name)).strip("-._")
    return name[:64] or "client"


def _contents(server: Server, client: str, language: str, shape: Shape, accounting: Accounting) -> dict[Path, str]:
    """Every text file, by its path in the folder."""
    local = server.kind == "local"
    values = {
        "client": _quoted(client),
        "server": _server_block(server),
        "seed": "    seed: [samples/products.csv, samples/references.csv]\n" if local else "",
        "goods": "goods",
        "orders": "orders",
        "first_steps": "\n" + str(_first_steps(server, accounting).render(language)) + "\n",
    }
    names = {
        "config.yaml": "config.yaml",
        "README.md": "README.md",
        "secrets.md": "secrets/README.md",
        "plugins.md": "plugins/README.md",
    }
    files = {
        Path(target): _fill((_TEMPLATES / language / name).read_text(encoding="utf-8"), values)
        for name, target in names.items()
    }
    config = Path("config.yaml")
    files[config] = _shaped(files[config], shape)
    if not accounting.embedded:
        files[config] = _with_accounting(files[config], accounting, language)
        files |= {Path(path): f"{secret}\n" for path, secret in accounting.secrets().items()}
    files[Path(".gitignore")] = "/secrets/*\n!/secrets/README.md\n*.sqlite3*\n/archive/\n/logs/\n"
    if not local and not server.key:
        files[_SECRET] = (server.password or _PLACEHOLDER) + "\n"
    return files


def _shaped(config: str, shape: Shape) -> str:
    """The config with the jobs, time zone and currency that are wanted."""
    head, jobs, rest = re.split(r"(?<=\njobs:\n)|(?=\nalerts:)", config)
    # a block is a job with the comment above it
    blocks = [block for block in jobs.split("\n\n") if any(f"\n  {job}:" in f"\n{block}" for job in shape.jobs)]
    head = re.sub(
        r"^timezone: Europe/Kyiv *", f"{f'timezone: {shape.timezone}':<{_COMMENT_COLUMN}}", head, flags=re.MULTILINE
    )
    head = re.sub(r"^currency: UAH", f"currency: {shape.currency}", head, flags=re.MULTILINE)
    return head + "\n\n".join(blocks).rstrip("\n") + "\n" + rest


def _with_accounting(config: str, accounting: Accounting, language: str) -> str:
    """The config with another accounting than the embedded one, which is the last of its connections."""
    words = (
        T("The accounting, where orders go: {about}.", about=accounting.about),
        T("What else it can be told: mistok config explain {name}", name=accounting.type),
    )
    block = [f"  # {text.render(language)}" for text in words]
    block += [f"  {accounting.type}:", f"    type: {accounting.type}", *_yaml(nested(accounting.values()), 4)]
    config = re.sub(
        r"(?<=\n)(?:  #[^\n]*\n)+  books:\n(?:    [^\n]*\n)+", lambda _: "\n".join(block) + "\n", config, count=1
    )
    return re.sub(r"(from|into): books\b", lambda found: f"{found[1]}: {accounting.type}", config)


def _yaml(values: Mapping[str, Any], depth: int) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield f"{' ' * depth}{key}:"
            yield from _yaml(value, depth + 2)
        else:
            is_reference = re.fullmatch(r"\$\{(?:env|file):[A-Za-z0-9_./-]+\}", value)
            yield f"{' ' * depth}{key}: {value if is_reference else _quoted(value)}"


def _fill(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    # comments behind values of the client stay in one column
    lines = [
        f"{value.rstrip() + ' ':<{_COMMENT_COLUMN}}# {comment}" if value.startswith("client:") else line
        for line in text.split("\n")
        for value, _, comment in [line.partition(" # ")]
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _server_block(server: Server) -> str:
    if server.kind == "local":
        lines = ["type: local", "path: site", "create: true"]
    else:
        lines = [
            f"type: {'sftp' if server.kind == 'sftp' else 'ftp'}",
            f"host: {_quoted(server.host or '')}",
            *([f"port: {server.port}"] if server.port else []),
            *(["tls: explicit"] if server.kind == "ftps" else []),
            f"user: {_quoted(server.user or '')}",
            f"key: {_quoted(server.key)}" if server.key else f"password: ${{file:{_SECRET.as_posix()}}}",
        ]
        if server.root:
            lines.append(f"root: {_quoted(server.root)}")
    return "\n".join(["  site:", *(f"    {line}" for line in lines), ""])


def _quoted(text: str) -> str:
    """As a YAML value that nothing in ``text`` can break; ``${`` is meant as it stands."""
    escaped = text.replace("${", "$${")
    plain = re.fullmatch(r"[A-Za-z0-9/.][A-Za-z0-9_./-]*", text) and text.lower() != "null"
    return text if plain else json.dumps(escaped, ensure_ascii=False)


def _first_steps(server: Server, accounting: Accounting) -> Text:
    if not accounting.embedded:
        if server.kind == "local":
            return T(
                "Here the site is the folder `site/`: orders are taken from `site/orders` and go to {name}. Copy "
                "`samples/single.xml` there to see one come in. For a real server change `connections.site`.",
                name=accounting.type,
            )
        return T(
            "The site is reached at {host}; its orders go to {name}.", host=server.host or "", name=accounting.type
        )
    if server.kind == "local":
        return T(
            "Here the site is the folder `site/`: the catalogue goes to `site/goods`, orders are taken from "
            "`site/orders`. The books begin with the sample products in `samples/`. Copy `samples/single.xml` to "
            "`site/orders` to see an order come in. For a real server change `connections.site`."
        )
    return T(
        "The site is reached at {host}; what the books hold comes from `mistok books load`.", host=server.host or ""
    )


def _copies(server: Server, accounting: Accounting) -> dict[Path, Path]:
    """Files copied from what ships with Mistok: target in the folder -> source."""
    from pipeline import resources

    copies = {Path(".mistok") / "config.schema.json": resources.schemas() / "config.schema.json"}
    if server.kind == "local":
        tables = ("products.csv", "references.csv") if accounting.embedded else ()
        for name in (*tables, "orders/good/single.xml"):
            copies[Path("samples") / Path(name).name] = resources.samples() / name
    return copies


def _write(directory: Path, files: dict[Path, str], copies: dict[Path, Path], server: Server) -> tuple[Path, ...]:
    written: list[Path] = []
    for path, text in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        # x: never over a file that came meanwhile; a secret is nobody else's from its first byte on
        mode = 0o600 if path.parts[0] == _SECRET.parts[0] and path.suffix != ".md" else 0o666
        with os.fdopen(
            os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8", newline="\n"
        ) as out:
            out.write(text)
        written.append(target)
    for path, source in copies.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        written.append(target)
    if server.kind == "local":
        for folder in ("goods", "orders"):
            (directory / "site" / folder).mkdir(parents=True, exist_ok=True)
    return tuple(written)
