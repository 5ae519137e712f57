"""Where the files that come with moss are: beside the package in a checkout, inside it when installed.

What is read once stays in memory: after an exchange of /usr the files may be gone, and moss goes on.
"""

import os
from functools import cache

_PACKAGE = os.path.dirname(os.path.realpath(__file__))


@cache
def schema_directory() -> str:
    return _first_of(os.path.join(_PACKAGE, "_data", "schema"), os.path.join(_PACKAGE, os.pardir, "schema"))


@cache
def schema_texts(folder: str) -> tuple[str, ...]:
    """The SQL scripts in a folder of the schema, in the order of their names."""
    directory = os.path.join(schema_directory(), folder)
    names = sorted(name for name in os.listdir(directory) if name.endswith(".sql"))
    for number, name in enumerate(names, 1):
        assert folder != "sql" or int(name[:4]) == number, f"{name} is out of order"
    return tuple(_text(os.path.join(directory, name)) for name in names)


@cache
def rescue_script() -> bytes:
    """What moss leaves at ROOT/.moss/rescue."""
    with open(os.path.join(_PACKAGE, "rescue.sh"), "rb") as script:
        return script.read()


def tour_directory() -> str:
    """The source trees of the small packages that `moss tour` shows."""
    return _first_of(os.path.join(_PACKAGE, "_data", "tour"), os.path.join(_PACKAGE, os.pardir, "fixtures", "tour"))


@cache
def debian_trigger(name: str) -> bytes:
    """A trigger for a Debian package, by its path below /usr/share/moss/triggers."""
    own = os.path.join(_PACKAGE, "_data", "triggers", "debian")
    directory = _first_of(own, os.path.join(_PACKAGE, os.pardir, "fixtures", "triggers", "debian"))
    with open(os.path.join(directory, name), "rb") as file:
        return file.read()


def initrd_directory() -> str:
    """What runs in an initrd, and how dracut, initramfs-tools and systemd take it in."""
    return os.path.join(_PACKAGE, "boot", "initrd")


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _first_of(*places: str) -> str:
    for place in places:
        if os.path.isdir(place):
            return place
    raise AssertionError(f"this installation of moss is incomplete: {places[0]} is missing")
