"""The trigger files of a tree."""

import os

from moss.errors import CorruptData
from moss.triggers.reading import MAX_BYTES, read_trigger
from moss.triggers.values import Scope, Trigger

DIRECTORY = "share/moss/triggers"
_ENDINGS = (".yaml", ".yml", ".kdl")


def triggers_in(usr: str, scope: Scope, ignored: frozenset[str] = frozenset()) -> tuple[Trigger, ...]:
    """By name. Files named after an ignored trigger are not read. CorruptData for what cannot be read as one."""
    directory = f"{DIRECTORY}/{scope.value}.d"
    found: dict[str, Trigger] = {}
    for name in _listed(os.path.join(usr, directory)):
        stem, ending = os.path.splitext(name)
        if ending not in _ENDINGS or stem in ignored:
            continue
        trigger = read_trigger(_content(os.path.join(usr, directory, name)), f"/usr/{directory}/{name}", scope)
        other = found.setdefault(trigger.name, trigger)
        if other is not trigger:
            raise CorruptData(
                f"there is already a trigger {trigger.name}, in {other.file}",
                file=trigger.file,
                remedies=["give one of them another name"],
            )
    return tuple(found[name] for name in sorted(found))


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _content(path: str) -> bytes:
    """A little more than the largest that is read, so that too much can be told."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(MAX_BYTES + 1)
