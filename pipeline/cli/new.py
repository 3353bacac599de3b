"""``mistok new plugin``: a plugin of one's own in one file, with a test that runs at once and shows what to change."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import common
from pipeline.cli.init import latin
from pipeline.cli.words import Verb, VerbGroup
from pipeline.errors import ConfigError, system_words
from pipeline.texts import TN, T, verbatim

if TYPE_CHECKING:
    from pipeline.registry import Registry

KINDS = ("step", "format", "system", "channel")
_TEMPLATES = Path(__file__).with_name("templates") / "new"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 40

group = typer.Typer(
    cls=VerbGroup,
    no_args_is_help=True,
    epilog=str(common.EXIT_CODES),
)


@group.callback()
def _new() -> None:
    """Begin something of your own."""


@group.command(
    "plugin",
    cls=Verb,
    help=str(T("Write a plugin into the client's folder, with a test that runs at once.")),
    epilog=str(common.EXIT_CODES),
)
def command(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help=str(T("Its name in the config: small-latin-letters.")), show_default=False)
    ],
    kind: Annotated[
        str, typer.Option("--kind", "-k", help=str(T("step, format, system or channel.")), show_default=False)
    ],
) -> None:
    """Write a plugin and its test."""
    with common.cards():
        from pipeline.config.load import FILE_NAME, plugin_folder
        from pipeline.registry import load_what_loads

        path = common.options(context).config
        path = path / FILE_NAME if path.is_dir() else path
        if not path.exists():
            common.usage(
                T("There is no file {path}.", path=str(path)),
                T("Run it in the client's folder, or name its config: mistok -c FILE new plugin …"),
            )
        folder = plugin_folder(path)
        registry, _broken = load_what_loads(folder)
        made = new_plugin(path.resolve().parent, name, kind, registry, folder)
        _tell(made, name, kind)


def new_plugin(base: Path, name: str, kind: str, registry: Registry, folder: Path | None = None) -> tuple[Path, Path]:
    """Write the plugin into ``folder`` (``plugins`` below the client's folder ``base`` by default) and its test into
    ``tests`` beside it; gives both paths.

    Raises ConfigError, before anything is written, for a name that cannot be one or is taken, and for files that are
    there.
    """
    if kind not in KINDS:
        raise ConfigError(
            T("`{value}` is not a kind of plugin.", value=kind), hint=T("Write step, format, system or channel.")
        )
    _check_name(name, kind, registry)
    folder = folder or base / "plugins"
    module = name.replace("-", "_")
    plugin, test = folder / f"{module}.py", base / "tests" / f"test_{module}.py"
    taken = [path for path in (plugin, test) if path.exists()]
    if taken:
        raise ConfigError(
            TN(
                "{files} is there already; nothing was written.",
                "{files} are there already; nothing was written.",
                len(taken),
                files=", ".join(map(str, taken)),
            ),
            hint=T("Choose another name, or move them away."),
            code="new-exists",
        )
    written: list[Path] = []
    try:
        for path, template in ((plugin, f"{kind}.py.txt"), (test, f"test_{kind}.py.txt")):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                written.append(path)
                file.write(_filled(template, name, module, _from(folder, base)))
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise ConfigError(
            T("{path} cannot be written: {words}", path=str(error.filename or folder), words=system_words(error)),
            hint=T("Check the rights and the free space of the folder."),
        ) from error
    return plugin, test


def _check_name(name: str, kind: str, registry: Registry) -> None:
    proposed = re.sub(r"[^a-z0-9]+", "-", latin(name).lower()).strip("-0123456789")[:_LONGEST].strip("-")
    wrong = not _NAME.fullmatch(name) or len(name) > _LONGEST or keyword.iskeyword(name)
    if wrong:
        rule = T("Names have small Latin letters, digits and `-`, and begin with a letter: such as `count-files`.")
        fits = proposed != name and _NAME.fullmatch(proposed) and not keyword.iskeyword(proposed)
        raise ConfigError(
            T("`{name}` cannot be the name of a plugin.", name=name),
            hint=T("{rule} Here: `{name}`.", rule=rule, name=proposed) if fits else rule,
        )
    origin = registry.origins.get((kind, name))
    if origin is not None:
        raise ConfigError(
            T("There is a {kind} called {name} already: {origin}.", kind=kind, name=name, origin=verbatim(origin)),
            hint=T("Choose another name."),
        )


def _from(folder: Path, base: Path) -> str:
    """The plugin folder as the test reaches it from the client's folder."""
    folder, base = folder.resolve(), base.resolve()
    return folder.relative_to(base).as_posix() if folder.is_relative_to(base) else folder.as_posix()


def _filled(template: str, name: str, module: str, folder: str) -> str:
    from pipeline.flow import API_VERSION

    text = (_TEMPLATES / template).read_text(encoding="utf-8")
    values = {
        "name": name,
        "module": module,
        "folder": folder,
        "Class": "".join(word.capitalize() for word in name.split("-")),
        "api": API_VERSION,
    }
    for key, value in values.items():
        text = text.replace(f"{{{{{key}}}}}", value)
    return text


def _tell(made: tuple[Path, Path], name: str, kind: str) -> None:
    out = common.console()
    for path in made:
        out.print(str(T("Made {path}.", path=str(path))), soft_wrap=True, markup=False)
    use = {
        "step": f"steps: [{{step: {name}, connection: …}}]",
        "format": f"format: {name}",
        "system": f"connections: {{mine: {{type: {name}, path: goods.csv}}}}",
        "channel": f"alerts: {{channels: [{{type: {name}, path: notices.txt}}]}}",
    }[kind]
    steps = (
        T("Try it, in the client's folder: pytest {path}", path=common.quoted(made[1])),
        T("Change both to what you need: the test says what must hold."),
        T("Use it in the config: {words}", words=verbatim(use)),
    )
    for number, step in enumerate(steps, 1):
        out.print(f"{number}. {step}", soft_wrap=True, markup=False)
