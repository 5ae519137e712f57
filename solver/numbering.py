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


def renumber(arrays: dict[str, array[int]]) -> Mentioned:
    """Give everything its number, in place. `arrays` are those of packages in their order, of formulas and relations;
    the sets of repositories and architectures are added."""
    formulas = _renumbered(arrays, FORMULAS)
    arrays["part_start"], arrays["part"] = in_order(arrays["part_start"], arrays["part"], formulas)
    for name in _A_FORMULA:
        arrays[name] = picked(arrays[name], formulas)
    relations = _renumbered(arrays, ("part", *RELATIONS))
    for name in RELATION_COLUMNS:
        arrays[name] = picked(arrays[name], relations)
    mentioned = Mentioned(capabilities=_renumbered(arrays, _OF_CAPABILITIES), texts=_renumbered(arrays, _OF_TEXTS))
    for several, one in _SETS.items():
        arrays[several] = array("i", sorted(set(arrays[one])))
    return mentioned


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


def in_order(start: array[int], flat: array[int], order: Sequence[int]) -> tuple[array[int], array[int]]:
    """The lists that begin at `start`, in another order: where each begins then, and all of them."""
    new_start, (new_flat,) = Order(order).lists(start, flat)
    return new_start, new_flat


class Order:
    """An order for things that have several lists each."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order, self._runs = order, list(_together(order))

    def lists(self, start: array[int], *flat: array[int]) -> tuple[array[int], list[array[int]]]:
        """As `in_order`, of lists that begin at the same places."""
        if not flat[0]:
            return array("i", bytes(4 * (len(self._order) + 1))), [array("i") for _ in flat]
        sizes = list(map(sub, start[1:], start))
        bounds = [(start[first], start[end]) for first, end in self._runs]
        bounds = [(begin, end) for begin, end in bounds if begin != end]
        new = [array("i") for _ in flat]
        for old, moved in zip(flat, new, strict=True):
            for begin, end in bounds:
                moved.extend(old[begin:end])
        return array("i", accumulate(picked(sizes, self._order), initial=0)), new


def _together(order: Sequence[int]) -> Iterator[tuple[int, int]]:
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
