"""What an update holds back, told: why, what it would take, and what to type for it."""

import shlex

from moss.plan import Held
from solver import Forbid, HeldBack, Hold, Pin, Problem, Solution, Wish, describe_held, why_held
from solver.rules import Asked


def held_back(problem: Problem, solution: Solution, told: int) -> tuple[Held, ...]:
    """Everything held back, the first `told` of it with the reason."""
    reasons = why_held(problem, solution, solution.held[:told])
    rest = solution.held[told:]
    return (
        *map(_told, reasons),
        *(Held(one.installed.name, one.installed.version, one.newest.version) for one in rest),
    )


def _told(back: HeldBack) -> Held:
    installed, newest = back.held.installed, back.held.newest
    return Held(
        installed.name,
        installed.version,
        newest.version,
        describe_held(back),
        tuple(one.name for one in back.gone),
        tuple(one.name for one in back.behind),
        _command(back),
    )


def _command(back: HeldBack) -> str | None:
    """What frees it for certain: the search has found what it leads to."""
    name = shlex.quote(back.held.installed.name)
    if back.asked:
        return next((command for asked in back.asked if (command := _giving_up(asked))), None)
    if not back.rules or back.downgrades or not (back.gone or back.behind):
        return None
    return f"moss update {name}" + (" --prefer newest" if back.gone else "")


def _giving_up(asked: Asked) -> str | None:
    """What takes back a part of the request that the model holds."""
    match asked:
        case Pin(relation):
            return f"moss unpin {shlex.quote(relation.name)}"
        case Hold(name):
            return f"moss unhold {shlex.quote(name)}"
        case Wish():
            return f"moss remove {shlex.quote(asked.origin)}" if asked.origin else None
        case Forbid():
            return None
    return None
