"""The numbers of what packages speak of: each kind of thing in the order in which the sorted packages mention it.

So a universe depends on its packages alone, not on the order in which they came, nor on what else was known while it
was put together; what nothing mentions is not in it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from operator import sub
from typing import NamedTuple

_NOTHING = -1

_OF_FORMULAS = ("depends", "recommends", "supplements")
_OF_RELATIONS = ("part", "conflicts", "breaks", "replaces")
_OF_CAPABILITIES = ("name", "provides_capability", "relation_capability")
_OF_TEXTS = (
    *("version", "version_key", "arch", "repository", "provides_version", "provides_key"),
    *("relation_version", "relation_key", "relation_arch", "formula_text"),
)
_A_FORMULA = ("formula_text", "formula_scheme")
_A_RELATION = (
    *("relation_capability", "relation_operator", "relation_version", "relation_key"),
    *("relation_scheme", "relation_arch"),
)
_SETS = {"repositories": "repository", "arches": "arch"}


class Mentioned(NamedTuple):
    """Texts and capabilities by their numbers so far, in the order of their new ones."""

    texts: list[int]
    capabilities: list[int]


def renumber(arrays: dict[str, array[int]]) -> Mentioned:
    """Give everything its number, in place. `arrays` are those of packages in their order, of formulas and relations;
    the sets of repositories and architectures are added."""
    formulas = _renumbered(arrays, _OF_FORMULAS)
    arrays["part_start"], arrays["part"] = in_order(arrays["part_start"], arrays["part"], formulas)
    for name in _A_FORMULA:
        arrays[name] = array("i", map(arrays[name].__getitem__, formulas))
    relations = _renumbered(arrays, _OF_RELATIONS)
    for name in _A_RELATION:
        arrays[name] = array("i", map(arrays[name].__getitem__, relations))
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
        arrays[name] = array("i", map(numbers.__getitem__, arrays[name]))
    return order


def in_order(start: array[int], flat: array[int], order: Sequence[int]) -> tuple[array[int], array[int]]:
    """The lists that begin at `start`, in another order: where each begins then, and all of them."""
    sizes = array("i", map(sub, start[1:], start))
    sorted_flat = array("i")
    for first, end in _together(order):
        sorted_flat.extend(flat[start[first] : start[end]])
    return array("i", accumulate(map(sizes.__getitem__, order), initial=0)), sorted_flat


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
