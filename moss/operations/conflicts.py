"""A conflict of the solver's as the error that a person reads: why not, and what would work instead."""

import shlex
from collections.abc import Iterator, Mapping, Sequence

from moss.errors import Repair, Unsatisfiable
from moss.in_force import InForce
from moss.problem import ChangeRequest
from solver import (
    Conflict,
    Explanation,
    Hold,
    Pin,
    Problem,
    Request,
    Subscription,
    Wish,
    describe_difference,
    explain,
    with_repairs,
)
from solver import Repair as SolverRepair
from solver.explain import Sentence

_MOST_SHOWN = 3


def unsatisfiable(request: ChangeRequest, problem: Problem, conflict: Conflict, found: InForce) -> Unsatisfiable:
    """The sentences of every conflict, those of subscriptions with the places where these are defined, and repairs
    that were tried, as commands, the best first."""
    places = {one.name: one.definition.place for one in found.standings}
    told = explain(conflict)
    repairs = [
        Repair(_command(request, problem, repair), describe_difference(repair.solution))
        for repair in with_repairs(problem, conflict).repairs
    ]
    shown = tuple(repair for repair in repairs if repair.command)[:_MOST_SHOWN]
    return Unsatisfiable(
        "; ".join(dict.fromkeys(explanation.headline for explanation in told)),
        because=dict.fromkeys(_placed(sentence, places) for one in told for sentence in one.because),
        closing=f"{_closing(told)}; nothing was changed.",
        repairs=shown,
    )


def _placed(sentence: Sentence, places: Mapping[str, str]) -> str:
    """A sentence, and where the subscription is defined that it tells of."""
    asked = {rule.asked.name for rule in sentence.rules if isinstance(rule.asked, Subscription)}
    where = [place for name in sorted(asked) if (place := places.get(name))]
    return f"{sentence.text}, says {' and '.join(where)}" if where else sentence.text


def _closing(told: Sequence[Explanation]) -> str:
    return told[0].closing if len(told) == 1 else f"These are {len(told)} separate conflicts"


def _command(request: ChangeRequest, problem: Problem, repair: SolverRepair) -> str:
    """What to type for a repair; empty when the repaired request asks for nothing."""
    before, after = problem.request, repair.request
    commands = [
        _said("unsubscribe", _turned_off(before, after, request)),
        _said("unpin", [pin.relation.name for pin in before.pins if _is_given_up(pin, after.pins, request)]),
        _said("unhold", [hold.name for hold in before.holds if _is_given_up(hold, after.holds, request)]),
        _said("remove", [*(str(removal.relation) for removal in after.removals), *_dropped(before, after, request)]),
        _said("pin", [text for pin in after.pins if (text := _text(pin)) in request.new_pins]),
        _said("hold", [hold.name for hold in after.holds if hold.name in request.new_pins]),
        *_turned_on(after, request),
        _said("install", [text for wish in after.wishes if (text := _text(wish)) and _is_news(wish, request)]),
    ]
    if request.operation in ("update", "sync"):
        commands.append(_said(request.operation, request.updates) or f"moss {request.operation}")
    return " && ".join(filter(None, commands))


def _is_given_up(restriction: Pin | Hold, left: Sequence[Pin | Hold], request: ChangeRequest) -> bool:
    """Whether it must be taken back, having been said before."""
    return restriction not in left and _text(restriction) not in request.new_pins


def _turned_off(before: Request, after: Request, request: ChangeRequest) -> list[str]:
    """The subscriptions that were on before this and are so no more."""
    left = [one for one in after.subscriptions if one.on]
    gone = [one.name for one in before.subscriptions if one.on and one not in left]
    return [name for name in gone if name not in request.new_switches]


def _turned_on(after: Request, request: ChangeRequest) -> Iterator[str]:
    """What to type for the subscriptions that the request turns on, and the repair leaves on."""
    left = {one.name for one in after.subscriptions if one.on}
    for switch in request.model.switches:
        if switch.name in left & request.new_switches:
            yield _said("subscribe", [switch.name, *switch.values])


def _dropped(before: Request, after: Request, request: ChangeRequest) -> list[str]:
    """The earlier wishes that are wishes no more."""
    left = {wish.origin for wish in after.wishes}
    gone = sorted({wish.origin for wish in before.wishes} - left)
    return [_without_source(origin) for origin in gone if origin not in request.new_wishes]


def _is_news(wish: Wish, request: ChangeRequest) -> bool:
    """Whether it must be said: because it is new, or changed from what was said before."""
    return wish.origin in request.new_wishes or wish.origin != _text(wish)


def _text(asked: Wish | Pin | Hold) -> str:
    """As the model says it."""
    if isinstance(asked, Hold):
        return asked.name
    what = asked.formula if isinstance(asked, Wish) else asked.relation
    return f"{what} from {asked.repository}" if asked.repository else str(what)


def _without_source(text: str) -> str:
    return text.partition(" from ")[0]


def _said(verb: str, words: Sequence[str]) -> str:
    if not words:
        return ""
    return " ".join(["moss", verb, *(shlex.quote(_as_typed(word)) for word in dict.fromkeys(words))])


def _as_typed(text: str) -> str:
    """`foo (< 3)` the way people type it: `foo < 3`."""
    relation, word, source = text.partition(" from ")
    name, bracket, rest = relation.partition(" (")
    return (f"{name} {rest.removesuffix(')')}" if bracket else relation) + word + source
