"""What is found once and then at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Key = TypeVar("Key")
Found = TypeVar("Found")


class Lookup(dict[Key, Found]):
    """Finds what is not there yet. Its `__getitem__` serves as a function that remembers: asking again for
    what is known runs no Python, and most questions ask again."""

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[Key], Found]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, key: Key) -> Found:
        found = self[key] = self._find(key)
        return found
