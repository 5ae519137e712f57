"""The trigger files of a tree, and the admin's own.

A file below /etc/moss/triggers stands in the place of the tree's file of the same name; as a link to /dev/null it
takes that away.
"""

import os

from moss.errors import CorruptData
from moss.triggers.reading import MAX_BYTES, read_trigger
from moss.triggers.values import Scope, Trigger

DIRECTORY = "share/moss/triggers"
"""Below a tree."""
ADMINS = "etc/moss/triggers"
"""Below a root."""
_ENDINGS = (".yaml", ".yml", ".kdl")


def triggers_in(usr: str, root: str, scope: Scope, ignored: frozenset[str] = frozenset()) -> tuple[Trigger, ...]:
    """By name: those of the tree `usr`, and the admin's in `root`. Files named after an ignored trigger are not
    read. CorruptData for what cannot be read as one."""
    found: dict[str, Trigger] = {}
    for name, (place, said) in sorted(_files(usr, root, scope).items()):
        stem, ending = os.path.splitext(name)
        if ending not in _ENDINGS or stem in ignored or _is_masked(place):
            continue
        trigger = read_trigger(_content(place), said, scope)
        other = found.setdefault(trigger.name, trigger)
        if other is not trigger:
            raise CorruptData(
                f"there is already a trigger {trigger.name}, in {other.file}",
                file=trigger.file,
                remedies=["give one of them another name"],
            )
    return tuple(found[name] for name in sorted(found))


def _files(usr: str, root: str, scope: Scope) -> dict[str, tuple[str, str]]:
    """By file name: where each is, and what the person calls that."""
    found: dict[str, tuple[str, str]] = {}
    for top, directory, said in ((usr, DIRECTORY, "/usr/"), (root, ADMINS, "/")):
        place = os.path.join(top, directory, f"{scope.value}.d")
        for name in _listed(place):
            found[name] = (os.path.join(place, name), f"{said}{directory}/{scope.value}.d/{name}")
    return found


def _is_masked(place: str) -> bool:
    return os.path.islink(place) and os.readlink(place) == "/dev/null"


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _content(path: str) -> bytes:
    """A little more than the largest that is read, so that too much can be told."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(MAX_BYTES + 1)
