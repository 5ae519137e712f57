"""The only module that knows pysat: a solver of clauses, and counters made of clauses.

Literals are integers, negative for "not". The back-ends of pysat are called directly, which costs
2 ms to import where `pysat.solvers` costs 26.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

BACKENDS = ("minisat22", "glucose3", "glucose41", "maplechrono", "minicard")
_SLICE = 2000  # conflicts between two looks at the budget, some 20 ms


class OutOfBudgetError(Exception):
    """The budget ended inside a call."""


class Sat:
    """An incremental solver. `may_go_on` is asked now and then; False raises OutOfBudgetError."""

    def __init__(self, backend: str = "minisat22", may_go_on: Callable[[], bool] | None = None) -> None:
        # Here because of its start-up cost: most commands never solve.
        import pysolvers

        if backend not in BACKENDS:
            raise ValueError(f"no such back-end: {backend}")
        self._solver = getattr(pysolvers, backend + "_new")()

        def function(name: str) -> Any:
            return getattr(pysolvers, f"{backend}_{name}")

        # One more clause. Called for every one, so nothing stands between.
        self.add: Callable[[Sequence[int]], None] = partial(function("add_cl"), self._solver)
        self._core, self._model = function("core"), function("model")
        self._propagate, self._phases = function("propagate"), function("setphases")
        self._delete, self._limit = function("del"), function("cbudget")
        self._solve_limited, self._may_go_on = function("solve_lim"), may_go_on
        self.calls = 0

    def __del__(self) -> None:
        delete = getattr(self, "_delete", None)
        if delete is not None:
            delete(self._solver)

    def phases(self, literals: Sequence[int]) -> None:
        """What to try first."""
        self._phases(self._solver, literals)

    def solve(self, assumptions: Sequence[int] = ()) -> bool:
        """Whether the clauses can all hold with the assumptions. Raises OutOfBudgetError."""
        self.calls += 1
        # In slices also without a budget: Ctrl-C is heard between two calls, never within one.
        while self._may_go_on is None or self._may_go_on():
            self._limit(self._solver, _SLICE)
            answer = self._solve_limited(self._solver, assumptions, 0, 0)
            if answer is not None:
                return bool(answer)
        raise OutOfBudgetError

    def core(self) -> list[int]:
        """After `solve` said no: assumptions that cannot hold together."""
        return self._core(self._solver) or []

    def model(self) -> list[int]:
        """After `solve` said yes: every variable as a literal, in order."""
        model: list[int] | None = self._model(self._solver)
        return model or []  # None where no clause has a variable

    def implied(self, assumptions: Sequence[int]) -> list[int]:
        """The literals that follow from assumptions, as far as propagation sees. Those that hold
        without any are left out."""
        _, literals = self._propagate(self._solver, assumptions, 0, 1)
        return literals or []


class Counter:
    """A totalizer over literals: `output(k)` may be assumed false to allow at most k of them."""

    def __init__(self, literals: Sequence[int], top: int) -> None:
        import pycard  # as above

        self._grow, self._delete = pycard.itot_inc, pycard.itot_del
        self._object, self.clauses, self._outputs, self.top = pycard.itot_new(list(literals), 1, top, 1)
        self.size, self.bound = len(literals), 1

    def __del__(self) -> None:
        if getattr(self, "_object", None) is not None:
            self._delete(self._object)

    def output(self) -> int:
        """True where more than `bound` literals hold."""
        output: int = self._outputs[self.bound]
        return output

    def raise_bound(self, top: int) -> bool:
        """Allows one more, leaving the new clauses in `clauses`; False where all are allowed."""
        if self.bound + 1 >= self.size:
            return False
        self.bound += 1
        self.clauses, self._outputs, self.top = self._grow(self._object, self.bound, top, 1)
        return True
