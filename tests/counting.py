"""Effects that count themselves."""

import os
from collections import Counter

from moss.observed_effects import Moment, ObservedEffects


class CountingEffects(ObservedEffects):
    """How often each kind of effect happened."""

    def __init__(self) -> None:
        super().__init__(apply_owners=os.geteuid() == 0)
        self.by_kind: Counter[str] = Counter()

    def observe(self, moment: Moment, kind: str, target: str) -> None:
        if moment == "after":
            self.by_kind[kind] += 1

    @property
    def total(self) -> int:
        return self.by_kind.total()
