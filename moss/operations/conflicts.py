"""A conflict of the solver's as the error that a person reads: why not, and what would work instead."""

import shlex
from collections.abc import Sequence

from moss.errors import Repair, Unsatisfiable
from moss.problem import ChangeRequest
from solver import Conflict, Explanation, Problem, describe_difference, explain, with_repairs
from solver import Repair as SolverRepair

_MOST_SHOWN = 3


def unsatisfiable(request: ChangeRequest, problem: Problem, conflict: Conflict) -> Unsatisfiable:
    """The sentences of every conflict, and repairs that were tried, as commands, the best first."""
    told = explain(conflict)
    repairs = [
        Repair(_command(request, problem, repair), describe_difference(repair.solution))
        for repair in with_repairs(problem, conflict).repairs
    ]
    shown = tuple(repair for repair in repairs if repair.command)[:_MOST_SHOWN]
    return Unsatisfiable(
        "; ".join(dict.fromkeys(explanation.headline for explanation in told)),
        because=dict.fromkeys(sentence.text for explanation in told for sentence in explanation.because),
        closing=f"{_closing(told)}; nothing was changed.",
        repairs=shown,
    )


def _closing(told: Sequence[Explanation]) -> str:
    return told[0].closing if len(told) == 1 else f"These are {len(told)} separate conflicts"


def _command(request: ChangeRequest, problem: Problem, repair: SolverRepair) -> str:
    """What to type for a repair; empty when the repaired request asks for nothing."""
    before = {wish.origin for wish in problem.request.wishes}
    left = {wish.origin: str(wish.formula) for wish in repair.request.wishes}
    dropped = [origin for origin in sorted(before - left.keys()) if origin not in request.new_wishes]
    removals = [str(removal.relation) for removal in repair.request.removals]
    commands = []
    if dropped or removals:
        commands.append(_said("remove", [*removals, *dropped]))
    if wanted := [text for origin, text in left.items() if origin in request.new_wishes]:
        commands.append(_said("install", wanted))
    if request.operation in ("update", "sync"):
        commands.append(_said(request.operation, request.updates))
    return " && ".join(commands)


def _said(verb: str, words: list[str] | tuple[str, ...]) -> str:
    return " ".join(["moss", verb, *(shlex.quote(_as_typed(word)) for word in dict.fromkeys(words))])


def _as_typed(text: str) -> str:
    """`foo (< 3)` the way people type it: `foo < 3`."""
    name, bracket, rest = text.partition(" (")
    return f"{name} {rest.removesuffix(')')}" if bracket else text
