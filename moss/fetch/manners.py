"""How moss behaves on the network: how patient it is, how often it tries, how much it does at once.

The environment variable MOSS_FETCH changes single ones: `MOSS_FETCH="tries=2 silence=5"`.
"""

import os

from moss.errors import UsageError
from solver.values import value

VARIABLE = "MOSS_FETCH"


@value
class Manners:
    """Seconds, bytes and counts; each field's name is what MOSS_FETCH calls it."""

    parallel: int = 8
    """Files at once."""
    tries: int = 4
    """Of each file at each mirror; those that bring the file forward do not count."""
    pause: float = 1.0
    """Seconds before the second try, twice as many before each further one, and somewhat more or less."""
    longest_pause: float = 30.0
    """Also where a server says when to come again."""
    connect: float = 20.0
    """Seconds until a server must have taken the connection."""
    silence: float = 30.0
    """Seconds without a single byte after which a try is given up."""
    head: float = 60.0
    """Seconds until what comes before an answer's content must be there in full."""
    slow_bytes: int = 1024
    """Fewer bytes a second than this, for so long …"""
    slow: float = 60.0
    """… seconds, are too few."""
    redirects: int = 5


def manners_from(text: str) -> Manners:
    """Read `name=number …`, parted by spaces or commas. UsageError names what is wrong."""
    said: dict[str, int | float] = {}
    kinds = {name: type(getattr(Manners(), name)) for name in Manners.__annotations__}
    for word in text.replace(",", " ").split():
        name, _, number = word.partition("=")
        try:
            said[name] = kinds[name](number)
            if not 0 < said[name] < 1 << 31:
                raise ValueError
        except (KeyError, ValueError):
            raise UsageError(
                f"{VARIABLE}: {word!r} says nothing about fetching",
                remedies=[f"use NAME=NUMBER with one of: {', '.join(kinds)}"],
            ) from None
    return Manners(**said)  # type: ignore[arg-type]


def manners_of_environment() -> Manners:
    return manners_from(os.environ.get(VARIABLE, ""))
