"""Propose: from a request to a plan, by looking only.

    request + record + offers  ->  problem  ->  solution  ->  plan
                                           \\->  conflict  ->  Unsatisfiable, told in sentences
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from moss.capability import Capability, CapabilityKind
from moss.db import candidates, generations, packages
from moss.db import facts as recorded
from moss.db.repositories import repositories
from moss.debian.source import PREFIX as APT
from moss.debian.source import asked_architectures, run_beside
from moss.errors import MossError
from moss.facts import is_about_facts
from moss.generation import Reason, Selected
from moss.in_force import Holds, InForce
from moss.offers import open_universes
from moss.operations.facts import facts_of, machine_architecture, with_facts
from moss.operations.filtering import with_omissions
from moss.operations.queries import installed, providers, unknown_package
from moss.operations.stated import stated
from moss.operations.subscriptions import judge, omissions_of, subscriptions_of
from moss.operations.system import System
from moss.operations.vouching import sources_of
from moss.plan import Chosen, Held, Plan, Proof, Removal, Space, difference
from moss.problem import BY_DEFAULT, ChangeRequest, Choosing, make_problem
from moss.repository import Candidate
from solver import (
    FEWEST_REMOVALS,
    Conflict,
    Lost,
    Measure,
    Needed,
    NoAnswerError,
    Problem,
    Recommended,
    Relation,
    Solution,
    Subscribed,
    Supplements,
    Unneeded,
    Wished,
    parse_formula,
    solve,
)
from solver import Candidate as SolverCandidate
from solver import Reason as ChoiceReason
from solver.facts import Facts
from solver.reasons import one_by_one
from solver.values import promise, replace


def propose(system: System, request: ChangeRequest, choosing: Choosing = BY_DEFAULT) -> Plan:
    """What would have to change. Raises Unsatisfiable with a minimal explanation, NotFound for unknown names."""
    here = installed(system)
    found, notes = subscriptions_of(system, request.model)
    problem = problem_of(system, request, here, choosing.preferences, found)
    _check_names(system, request, problem, here)
    started = time.perf_counter()
    answer = _solved(problem, choosing.seconds)
    if isinstance(answer, Conflict):
        from moss.operations.conflicts import unsatisfiable  # most requests can be met

        raise unsatisfiable(request, problem, answer, found)
    seconds = time.perf_counter() - started
    levels = tuple((level.measure.value, level.cost) for level in answer.levels)
    proof = Proof(answer.proven, seconds, levels, choosing.order)
    held: tuple[Held, ...] = ()
    if answer.held:
        from moss.operations.held import held_back  # telling why loads more of the solver

        held = held_back(problem, answer, choosing.held_told)
    plan = _plan(system, request, here, problem, answer, found, proof, held)
    plan = with_omissions(system, plan, omissions_of(found, problem, [one.candidate_key for one in plan.chosen]))
    return replace(plan, warnings=(*plan.warnings, *notes, *_coming_back(request, here)))


def _solved(problem: Problem, seconds: float) -> Solution | Conflict:
    """The answer, the best so far once the time is up."""
    end = time.monotonic() + seconds
    try:
        return solve(problem, lambda: time.monotonic() < end)
    except NoAnswerError as fault:
        raise MossError(
            f"no answer was found in {seconds:g} seconds, not even one that is not the best",
            remedies=[f"give it more time: --solver-time {max(60, round(seconds * 10))}", "ask for less at once"],
        ) from fault


def problem_of(
    system: System,
    request: ChangeRequest,
    here: list[Selected],
    preferences: tuple[Measure, ...] = FEWEST_REMOVALS,
    subscriptions: InForce | None = None,
) -> Problem:
    """All that the answer depends on: the request, what is `here`, what the enabled repositories offer."""
    enabled = [repository for repository in repositories(system.record) if repository.enabled]
    universes = open_universes(system.root, system.offers, enabled)
    if subscriptions is None:
        subscriptions, _ = subscriptions_of(system, request.model)
    asked = asked_architectures([repository.uri for repository in enabled])
    machine = machine_architecture(system)
    # Where they come as stones, in a bundle or an index, no repository says for which architecture it was added.
    beside = run_beside(machine) if any(universe.has_other_archs() for universe in universes) else ()
    architectures = tuple(dict.fromkeys((machine, *asked, *beside)))
    problem = make_problem(request, here, universes, enabled, architectures, preferences, subscriptions)
    return with_facts(system, problem)


def _check_names(system: System, request: ChangeRequest, problem: Problem, here: list[Selected]) -> None:
    """A name that nobody has is a slip of the pen, not a conflict: say what was meant instead."""
    there = {selected.metadata.name for selected in here}
    for pin in request.model.pins:
        name = pin.wanted.name
        if str(pin) in request.new_pins and name not in there and not any(_mentions(problem, name)):
            raise unknown_package(system, name)
    known = {str(wish) for wish in generations.model_of(system.record, system.active).wishes}
    for wish in request.model.wishes:
        capability, is_asked = Capability.parse(wish.wanted.name), str(wish) in request.new_wishes
        if (str(wish) in known and not is_asked) or capability.kind is not CapabilityKind.NAME:
            continue
        name = capability.name
        if name not in there and not any(_mentions(problem, name)) and not providers(system, name):
            fault = unknown_package(system, name)
            fault.because = fault.because if is_asked else (*fault.because, "the system model names it")
            raise fault


def _mentions(problem: Problem, name: str) -> list[bool]:
    encoded = name.encode()
    return [
        bool(len(universe.named(number)))
        for universe in problem.universes
        if (number := universe.capability(encoded)) >= 0
    ]


def _plan(
    system: System,
    request: ChangeRequest,
    here: list[Selected],
    problem: Problem,
    solution: Solution,
    subscriptions: InForce,
    proof: Proof,
    held: tuple[Held, ...],
) -> Plan:
    present = {selected.candidate_key: selected for selected in (*request.remembered, *here)}
    chosen = _chosen(system, solution, present)
    changed = difference(here, chosen)
    base, here_said = system.active, stated(system)
    return Plan(
        operation=request.operation,
        base=base,
        result=generations.next_number(system.record),
        model=request.model,
        model_before=here_said.active,
        chosen=tuple(sorted(chosen, key=lambda one: (one.name, one.metadata.architecture, one.candidate_key))),
        installs=changed.installs,
        changes=changed.changes,
        removals=tuple(
            Removal(one.metadata, _why_removed(system, problem, solution, one, subscriptions))
            for metadata in changed.removals
            for one in [next(selected for selected in here if selected.metadata == metadata)]
        ),
        space=_space(system, chosen),
        proof=proof,
        held=held,
        sources=sources_of(system, chosen),
        edited=here_said.model if here_said.is_edited else None,
    )


def _chosen(system: System, solution: Solution, present: dict[str, Selected]) -> tuple[Chosen, ...]:
    """The packages of the generation to come, those that are not there yet as repositories offer them."""
    new = [choice for choice in solution.chosen if choice.key not in present]
    offered = _offered(system, solution, new)
    chosen = []
    for choice in solution.chosen:
        reason = _reason(one_by_one(solution.reasons, choice.key))
        selected = present.get(choice.key)
        if selected is not None:
            chosen.append(Chosen(selected.metadata, choice.key, reason or selected.reason, selected, None))
            continue
        candidate = offered.get((choice.repository, choice.key))
        assert candidate is not None, f"the universe of {choice.repository} has {choice.name}, its table has not"
        chosen.append(Chosen(candidate.metadata, choice.key, reason or Reason(), None, candidate))
    return tuple(chosen)


def _offered(
    system: System, solution: Solution, new: Iterable[SolverCandidate]
) -> dict[tuple[str, str], Candidate]:
    """What repositories offer, by repository and key. Of Debian's the universe tells all that a plan shows."""
    of_debian = {one.name for one in repositories(system.record) if one.uri.startswith(APT)}
    others = [one for one in new if one.repository not in of_debian]
    found = candidates.by_keys(system.offers, [(one.name, one.repository, one.key) for one in others])
    told = ((one, solution.details[one.key]) for one in new if one.repository in of_debian)
    return found | candidates.listed(system.offers, told)


def _reason(reasons: Iterator[ChoiceReason]) -> Reason | None:
    """The nearest to a wish, as the record keeps it; None where the solver only says that it stayed."""
    for reason in reasons:
        match reason:
            case Wished(wish):
                return Reason(wish=wish.origin or str(wish.formula))
            case Needed() | Recommended():
                return _needed(reason)
            case Subscribed(subscription, relation):
                return Reason(needs=str(relation), subscription=subscription.name)
            case Supplements(formula):
                return Reason(needs=str(formula))
            case _:
                continue
    return None


def _needed(reason: Needed | Recommended) -> Reason:
    by = reason.by.name

    def whole() -> Reason:
        return Reason(package=by, needs=str(reason.formula))

    return _promised_reason()(whole, None, by, None)


@cache
def _promised_reason() -> Callable[..., Reason]:
    return promise(Reason, "wish", "package", "subscription")


def _why_removed(
    system: System, problem: Problem, solution: Solution, selected: Selected, subscriptions: InForce
) -> str:
    from moss.operations.reasons import asked_in, describe_gone, describe_removal, describe_unwanted  # for removals

    reasons = solution.removal_reasons.get(selected.candidate_key, ())
    if not all(isinstance(reason, Lost | Unneeded) for reason in reasons):
        return describe_removal(reasons[0])
    holds = judge(problem, [choice.key for choice in solution.chosen])
    wanted_by, needs = selected.reason.subscription, selected.reason.needs or ""
    if wanted_by is not None and not subscriptions.wants(wanted_by, needs, holds):
        return describe_unwanted(wanted_by, needs, subscriptions, _gone(system, problem, holds))
    if any(isinstance(reason, Unneeded) for reason in reasons) and needs and selected.reason.package is None:
        supplemented = describe_gone(asked_in(parse_formula(needs)), _gone(system, problem, holds))
        if supplemented:
            return f"it went with {needs}: {supplemented}"
    return describe_removal(reasons[0]) if reasons else "nothing needs it any more"


def _gone(system: System, problem: Problem, holds: Holds) -> Callable[[Relation], bool]:
    """Whether the machine or the packages had something before the change, and have it no more."""
    before = Facts(one.capability for one in recorded.facts_of(system.record, system.active))
    after = Facts(one.capability for one in facts_of(system))
    held = judge(problem, problem.installed)

    def is_gone(relation: Relation) -> bool:
        if is_about_facts(relation.name):
            return before.has(relation) and not after.has(relation)
        return held(relation) and not holds(relation)

    return is_gone


def _coming_back(request: ChangeRequest, here: list[Selected]) -> list[str]:
    """What is told to go, and will come again because a subscription wants it."""
    return [
        f"the subscription {one.reason.subscription} wants {one.metadata.name} and brings it back with the next change;"
        f" moss unsubscribe {one.reason.subscription} keeps it away"
        for one in here
        if one.reason.subscription is not None and one.metadata.name in request.removals
    ]


def _space(system: System, chosen: tuple[Chosen, ...]) -> Space:
    """What must be fetched, and what the files will take: at least the stones' size where no index says it."""
    offered = [one.candidate for one in chosen if one.candidate is not None]
    in_store = packages.known_keys(system.record, (candidate.candidate_key for candidate in offered))
    missing = [candidate for candidate in offered if candidate.candidate_key not in in_store]
    status = os.statvfs(system.root.path)
    size = sum(candidate.stone_size for candidate in missing)
    installed = sum(candidate.installed_size or candidate.stone_size for candidate in missing)
    return Space(download=size, store=installed, free=status.f_bavail * status.f_frsize)
