"""Which file names come back from a server as they were sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.engine.selftest.doors import Doors
from pipeline.engine.selftest.report import State
from pipeline.engine.selftest.seen import Seen, together
from pipeline.errors import MistokError, Refused, Transient
from pipeline.ports import RemoteFile, Transport
from pipeline.texts import T, Text

#: Names as shops in these parts make them, by what is special about them.
NAMES: Mapping[str, str] = {
    "cyrillic": "замовлення №7 «Львів».xml",
    "spaces": "order 7 of 9.xml",
    "quotes": "it's order 7.xml",
    "signs": "order;7 & co #1.xml",
}
Read = Callable[[Transport, RemoteFile], bytes]


def names_line(session: Transport, doors: Doors, folder: str, read: Read) -> Seen:
    """The line about names, tried in ``folder`` (made when missing). ``read`` gives the bytes of a listed file."""
    session.make_folder(folder)
    wrong: list[Text] = []
    value: dict[str, str] = {}
    for what, name in NAMES.items():
        value[what], words = _came_of(session, folder, name, read)
        wrong += [words] if words is not None else []
    if not wrong:
        return Seen(State.OK, T("Cyrillic, spaces, quotes and signs come back as they were sent"), None, value)
    unread = "unread" in value.values()
    if value["cyrillic"] != "same" and _in_windows_1251(doors, folder, read):
        value["encoding"] = "cp1251"
        means = T("The server takes names in windows-1251: set `encoding: cp1251`.")
    elif unread:
        means = T("Orders under such names would lie there unread: let the site use plain Latin names.")
    elif "mangled" in value.values():
        means = T("Files are read under the names that are listed; people may not know them again.")
    else:
        means = T("The server takes no such names: let the site use plain Latin ones.")
    return Seen(State.FAULT if unread else State.REMARK, together(wrong), means, value)


def _came_of(session: Transport, folder: str, name: str, read: Read) -> tuple[str, Text | None]:
    """What became of a name: same, refused, mangled (but readable) or unread; and words when it is not the same."""
    data = name.encode()
    try:
        session.write(folder, name, data)
    except (Refused, Transient) as error:
        return "refused", T("{name} cannot be written: {words}", name=name, words=error.text)
    listed = session.list(folder)
    same = next((file for file in listed if file.name == name), None)
    file = same or (listed[0] if listed else None)
    if file is None:
        return "unread", T("{name} was written and is not listed", name=name)
    try:
        there = read(session, file)
    except MistokError as error:
        pattern = T(
            "{name} is listed as {listed} and cannot be read: {words}", name=name, listed=file.name, words=error.text
        )
        return "unread", pattern
    finally:
        session.delete_many(listed)
    if there != data:
        return "unread", T("{name} is listed as {listed}, which is another file", name=name, listed=file.name)
    if same is None:
        return "mangled", T("{name} is listed as {listed}", name=name, listed=file.name)
    return "same", None


def _in_windows_1251(doors: Doors, folder: str, read: Read) -> bool:
    """Whether a Cyrillic name comes through in the other encoding, where the connection has such a setting."""
    other = doors.variant(encoding="cp1251") if doors.settings.get("encoding") == "utf-8" else None
    if other is None:
        return False
    try:
        return _came_of(other, folder, NAMES["cyrillic"], read)[0] == "same"
    except MistokError:
        return False
    finally:
        other.close()
