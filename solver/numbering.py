"""The numbers of what packages speak of: each kind of thing in the order in which the sorted packages mention it.

So a universe depends on its packages alone, not on the order in which they came, nor on what else was known while it
was put together; what nothing mentions is not in it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from operator import itemgetter, sub
from typing import NamedTuple

_NOTHING = -1

# What packages list of formulas, and of relations.
FORMULAS = ("depends", "recommends", "supplements")
RELATIONS = ("conflicts", "breaks", "replaces")
RELATION_COLUMNS = (
    *("relation_capability", "relation_operator", "relation_version", "relation_key"),
    *("relation_scheme", "relation_arch"),
)
_OF_CAPABILITIES = ("name", "provides_capability", "relation_capability")
_OF_TEXTS = (
    *("version", "version_key", "arch", "repository", "provides_version", "provides_key"),
    *("relation_version", "relation_key", "relation_arch", "formula_text"),
)
_A_FORMULA = ("formula_text", "formula_scheme")
_SETS = {"repositories": "repository", "arches": "arch"}


class Mentioned(NamedTuple):
    """Texts and capabilities by their numbers so far, in the order of their new ones."""

    texts: list[int]
    capabilities: list[int]


def renumber(arrays: dict[str, array[int]], relations: Sequence[tuple[int, ...]]) -> Mentioned:
    """Give everything its number, in place. `arrays` are those of packages in their order, and of formulas; those of
    relations, of which rows of RELATION_COLUMNS come, are added, and the sets of repositories and architectures."""
    formulas = _renumbered(arrays, FORMULAS)
    order, start = Order(formulas), arrays["part_start"]
    arrays["part_start"], arrays["part"] = order.start(start), order.lists(start, arrays["part"])
    for name in _A_FORMULA:
        arrays[name] = picked(arrays[name], formulas)
    mentioned = [relations[number] for number in _renumbered(arrays, ("part", *RELATIONS))]
    columns = zip(*mentioned, strict=True) if mentioned else ((),) * len(RELATION_COLUMNS)
    arrays |= {name: array("i", column) for name, column in zip(RELATION_COLUMNS, columns, strict=True)}
    capabilities, texts = _renumbered(arrays, _OF_CAPABILITIES), _renumbered(arrays, _OF_TEXTS)
    for several, one in _SETS.items():
        arrays[several] = array("i", sorted(set(arrays[one])))
    return Mentioned(texts, capabilities)


def _renumbered(arrays: dict[str, array[int]], names: Sequence[str]) -> list[int]:
    """What these arrays mention, each once, by its number so far; there it has its new number then."""
    mentioned = dict.fromkeys(chain.from_iterable(arrays[name] for name in names))
    mentioned.pop(_NOTHING, None)
    order = list(mentioned)
    numbers = [_NOTHING] * (max(order, default=_NOTHING) + 2)  # the last stays: it is where -1 looks
    for number, so_far in enumerate(order):
        numbers[so_far] = number
    for name in names:
        arrays[name] = picked(numbers, arrays[name])
    return order


def picked(numbers: Sequence[int], places: Sequence[int]) -> array[int]:
    """The numbers at these places."""
    if len(places) < 2:
        return array("i", [numbers[place] for place in places])
    return array("i", itemgetter(*places)(numbers))  # two thirds of the time of a loop


class Order:
    """An order for things that have rows in tables, and lists."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order, self._runs = order, list(together(order))
        self._firsts, self._ends = [first for first, _ in self._runs], [end for _, end in self._runs]

    def rows(self, table: array[int], width: int) -> array[int]:
        """The rows of a table, of so many numbers each."""
        moved = array("i")
        for first, end in self._runs:
            moved.extend(table[first * width : end * width])
        return moved

    def start(self, start: array[int]) -> array[int]:
        """Where the lists that begin at `start` begin then."""
        sizes = list(map(sub, start[1:], start))
        return array("i", accumulate(picked(sizes, self._order), initial=0))

    def lists(self, start: Sequence[int], flat: array[int]) -> array[int]:
        """The lists that begin at `start`, one after the other."""
        moved = array("i")
        bounds = zip(map(start.__getitem__, self._firsts), map(start.__getitem__, self._ends), strict=True)
        for begin, end in bounds if flat else ():
            if begin != end:
                moved.extend(flat[begin:end])
        return moved


def together(order: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where numbers follow each other: the first one, and the one behind the last."""
    first = end = -1
    for number in order:
        if number != end:
            if end > first:
                yield first, end
            first = number
        end = number + 1
    if end > first:
        yield first, end
