"""From the model and the record to a problem for the solver."""

import time
from collections.abc import Sequence

from moss.errors import UsageError
from moss.generation import Selected
from moss.in_force import NOTHING_IN_FORCE, InForce
from moss.model import Pin, SystemModel, Wish
from moss.offers import as_solver_package
from moss.repository import Repository
from solver import (
    FEWEST_REMOVALS,
    ORDERS,
    Measure,
    PreferenceError,
    Problem,
    Removal,
    Request,
    Universe,
    parse_preferences,
)
from solver import Hold as SolverHold
from solver import Pin as SolverPin
from solver import Wish as SolverWish
from solver.values import value

_GENERIC_ARCHITECTURES = ("noarch",)


@value
class ChangeRequest:
    """What a verb asks for: the model to reach, and how eagerly."""

    operation: str
    model: SystemModel
    updates: tuple[str, ...] = ()
    """Package names to bring to their newest version."""
    update_all: bool = False
    removals: tuple[str, ...] = ()
    """Capabilities that nothing may provide any more."""
    new_wishes: frozenset[str] = frozenset()
    """Of the model's wishes, those this request adds: their texts."""
    starting_from: tuple[str, ...] | None = None
    """The candidate keys that count as installed, so that the answer stays near to them; None: what is there."""
    remembered: tuple[Selected, ...] = ()
    """Packages of other generations, which may be chosen though nobody offers them."""
    new_pins: frozenset[str] = frozenset()
    """Of the model's pins and holds, those this request adds: their texts."""
    new_switches: frozenset[str] = frozenset()
    """Of the model's switches, those this request adds or changes: their names."""


@value
class Choosing:
    """How to choose among answers: what makes one better, and how long to look for the best."""

    preferences: tuple[Measure, ...] = FEWEST_REMOVALS
    seconds: float = 60.0
    """After these the best so far is taken, said to be not proven."""
    held_told: int = 3
    """Of how many packages that an update holds back the reason is looked for."""

    @property
    def order(self) -> str:
        """The name of the preferences, or of each of them."""
        for name, order in ORDERS.items():
            if order == self.preferences:
                return name
        return ",".join(f"-{measure.value}" for measure in self.preferences)


BY_DEFAULT = Choosing()


def parse_order(text: str) -> tuple[Measure, ...]:
    """`newest`, `fewest-removals`, or measures such as `-removed,-new`. UsageError on other text."""
    try:
        return parse_preferences(text)
    except PreferenceError as fault:
        orders = ", ".join(ORDERS)
        measures = ", ".join(f"-{measure.value}" for measure in Measure)
        raise UsageError(
            f"{text!r} is no order of preferences: {str(fault).partition('; ')[0]}",
            because=[f"an order has a name, {orders}, or is a list of measures: {measures}"],
            remedies=["--prefer newest"],
        ) from fault


def make_problem(
    request: ChangeRequest,
    installed: Sequence[Selected],
    universes: Sequence[Universe],
    repositories: Sequence[Repository],
    architectures: Sequence[str],
    preferences: tuple[Measure, ...] = FEWEST_REMOVALS,
    subscriptions: InForce = NOTHING_IN_FORCE,
) -> Problem:
    """All that the answer depends on. Packages that no repository has any more come along."""
    keys = request.starting_from
    if keys is None:
        keys = tuple(selected.candidate_key for selected in installed)
    return Problem(
        universes=(*universes, *_remembered((*installed, *request.remembered), universes)),
        installed=keys,
        automatic=frozenset(keys),
        request=Request(
            wishes=tuple(_solver_wish(wish, request) for wish in request.model.wishes),
            removals=tuple(Removal(Wish.parse(text).wanted) for text in request.removals),
            updates=request.updates,
            update_all=request.update_all,
            pins=tuple(map(_solver_pin, request.model.pins)),
            holds=tuple(SolverHold(one.name, _said("hold", one.name, one.said_at)) for one in request.model.holds),
            subscriptions=subscriptions.rules,
            recommends=subscriptions.recommends,
        ),
        preferences=preferences,
        priorities={repository.name: repository.priority for repository in repositories},
        architectures=(*architectures, *_GENERIC_ARCHITECTURES),
    )


def _solver_wish(wish: Wish, request: ChangeRequest) -> SolverWish:
    text = str(wish)
    reason = "" if text in request.new_wishes else "earlier"
    return SolverWish(wish.wanted, reason=reason, origin=text, repository=wish.repository)


def _solver_pin(pin: Pin) -> SolverPin:
    return SolverPin(pin.wanted, _said("pin", pin.wanted.name, pin.said_at), pin.repository)


def _said(verb: str, name: str, at: int) -> str:
    """`moss pin bar, 2026-09-02`"""
    return f"moss {verb} {name}, {time.strftime('%Y-%m-%d', time.localtime(at))}"


def _remembered(installed: Sequence[Selected], universes: Sequence[Universe]) -> list[Universe]:
    """A small universe of the packages that are here and that no repository offers."""
    lost = {
        selected.candidate_key: as_solver_package(
            selected.metadata, selected.candidate_key, selected.repository, selected.installed_size
        )
        for selected in installed
        if all(universe.package_of_key(selected.candidate_key.encode()) < 0 for universe in universes)
    }
    return [Universe.of(list(lost.values()))] if lost else []
