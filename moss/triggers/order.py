"""Which triggers wait for which."""

from collections.abc import Collection, Mapping, Sequence

from moss.errors import CorruptData
from moss.triggers.values import Trigger


def waiting(triggers: Sequence[Trigger], wanted: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Of each of the `wanted` triggers, those of them that must have ended before it begins.

    A trigger that does not run hands its order on: what is before it is before what is after it. A name
    that nobody has is no trigger that could be waited for. CorruptData names a circle.
    """
    before = _direct(triggers)
    for name, circle in ((name, _circle(before, name)) for name in before):
        if circle:
            file = next(one.file for one in triggers if one.name == name)
            raise CorruptData(
                f"the triggers {' → '.join(circle)} wait for one another",
                file=file,
                remedies=["take one 'before' or 'after' out of their files"],
            )
    return {name: frozenset(_all_before(before, name) & set(wanted)) for name in wanted}


def _direct(triggers: Sequence[Trigger]) -> dict[str, set[str]]:
    before: dict[str, set[str]] = {one.name: set() for one in triggers}
    for one in triggers:
        before[one.name].update(name for name in one.after if name in before)
        for later in one.before:
            if later in before:
                before[later].add(one.name)
    return before


def _circle(before: Mapping[str, set[str]], start: str) -> tuple[str, ...]:
    """The way from a trigger back to itself; empty where there is none."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for name in sorted(before[way[-1]]):
            if name == start:
                return tuple(reversed((*way, start)))
            if name not in seen:
                seen.add(name)
                ways.append((*way, name))
    return ()


def _all_before(before: Mapping[str, set[str]], name: str) -> set[str]:
    found: set[str] = set()
    left = [name]
    while left:
        new = before[left.pop()] - found
        found |= new
        left += new
    return found
