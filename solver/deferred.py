"""Dependencies that will most likely hold: they make no clause until a model breaks them.

Each waits at something that makes it stand: a chosen package that satisfies it, or the package it
belongs to, which is not chosen. Only when that changes is it looked at again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence, Set

# A package, one of its formulas, and whether it is only recommended.
Item = tuple[int, int, bool]


class Deferred:
    """Items by what they wait at. `satisfying` tells the packages that satisfy one."""

    def __init__(self, satisfying: Callable[[Item], Sequence[int]]) -> None:
        self._satisfying = satisfying
        self.by_support = defaultdict[int, list[Item]](list)
        self._by_package = defaultdict[int, list[Item]](list)

    def __bool__(self) -> bool:
        return bool(self.by_support or self._by_package)

    def add(self, item: Item, support: int) -> None:
        """One more, which the package `support` satisfies."""
        self.by_support[support].append(item)

    def broken(self, chosen: Set[int]) -> list[Item]:
        """Takes out the items that a set of packages does not satisfy."""
        by_support, by_package = self.by_support, self._by_package
        loose = [item for p in [p for p in by_support if p not in chosen] for item in by_support.pop(p)]
        loose += [item for p in [p for p in by_package if p in chosen] for item in by_package.pop(p)]
        broken = []
        for item in loose:
            if item[0] not in chosen:
                by_package[item[0]].append(item)
                continue
            support = next((c for c in self._satisfying(item) if c in chosen), None)
            if support is None:
                broken.append(item)
            else:
                by_support[support].append(item)
        return broken

    def decide(self, certain: Set[int], impossible: Set[int], *, all_others: bool) -> list[Item]:
        """Forgets the items that stand whatever is chosen. Takes out those that depend on what is
        chosen: of the packages that are certain, or with `all_others` of every package."""
        for support in certain & self.by_support.keys():
            del self.by_support[support]
        out = list[Item]()
        for waiting in (self.by_support, self._by_package):
            for place, items in list(waiting.items()):
                kept = list[Item]()
                for item in items:
                    if item[0] in impossible or not certain.isdisjoint(self._satisfying(item)):
                        continue
                    (out if all_others or item[0] in certain else kept).append(item)
                if kept:
                    waiting[place] = kept
                else:
                    del waiting[place]
        return out
