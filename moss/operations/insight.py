"""Why: what keeps a package, what bars one, who needs one, what can be installed at all. Only looks."""

from typing import assert_never

from moss.db import generations
from moss.errors import NotFound
from moss.model import Wish
from moss.operations.propose import problem_of
from moss.operations.queries import installed, unknown_package
from moss.operations.standing import keeping_away
from moss.operations.system import System
from moss.operations.verbs import sync_request
from solver import (
    Conflict,
    Dependent,
    Needed,
    Problem,
    Recommended,
    Stayed,
    Subscribed,
    Supplements,
    Updated,
    Wished,
    describe_difference,
    explain,
    installed_reasons,
    rdepends,
    why_not,
)
from solver import check as check_all
from solver import why as chain_to
from solver.rules import Candidate
from solver.solution import Reason
from solver.values import value


@value
class Kept:
    """An installed package and the chain of reasons that ends at a wish, nearest first."""

    label: str
    reasons: tuple[str, ...]


@value
class Barred:
    """What stands against having something; nothing does where `because` is empty, and `outcome` says
    what having it would change."""

    wanted: str
    headline: str
    because: tuple[str, ...]
    closing: str
    outcome: str
    notes: tuple[str, ...] = ()
    """Sentences: which subscriptions would bring it, and why they do not."""


@value
class Broken:
    """A package on offer that cannot be installed, whatever else is."""

    label: str
    repository: str
    because: tuple[str, ...]


def why(system: System, name: str) -> list[Kept]:
    """Why each installed package of that name is there. NotFound when none is."""
    here = [one for one in installed(system) if one.metadata.name == name]
    if not here:
        raise NotFound(f"{name} is not installed", remedies=[f"moss why-not {name}", "moss list installed"])
    reasons = installed_reasons(_problem(system))
    found = []
    for one in here:
        package = Candidate(name, one.metadata.ordered_version, one.repository, one.candidate_key)
        links = chain_to(reasons, package)
        found.append(Kept(one.metadata.label, tuple(_said(link.reason) for link in links)))
    return found


def bars(system: System, text: str) -> Barred:
    """What stands against having it beside all that is wished for. NotFound for a name nobody has."""
    wanted = Wish.parse(text).wanted
    problem = _problem(system)
    if not _known(problem, wanted.name):
        raise unknown_package(system, wanted.name)
    answer = why_not(problem, wanted)
    if not isinstance(answer, Conflict):
        notes = keeping_away(system, wanted.name, problem)
        return Barred(str(wanted), "", (), "", describe_difference(answer), notes)
    told = explain(answer)
    return Barred(
        str(wanted),
        told[0].headline,
        tuple(sentence.text for one in told for sentence in one.because),
        told[0].closing if len(told) == 1 else "",
        "",
        keeping_away(system, wanted.name, problem),
    )


def path_bars(system: System, path: str) -> Barred:
    """Why a path is not there, or who has it. NotFound where no installed package has it."""
    from moss.operations.missing import path_stands  # paths are asked for rarely

    found = path_stands(system, path)
    if found.holders:
        return Barred(found.path, "", (), "", f"it is there, of {' and '.join(found.holders)}")
    return Barred(found.path, f"{found.path} is left out.", found.left_out, found.remedy, "")


def dependents(system: System, text: str, *, installed_only: bool = False) -> tuple[Dependent, ...]:
    """Who needs or recommends it, among what is installed and on offer. NotFound for a name nobody has."""
    wanted = Wish.parse(text).wanted
    problem = _problem(system)
    if not _known(problem, wanted.name):
        raise unknown_package(system, wanted.name)
    return rdepends(problem, wanted, installed_only=installed_only)


def check(system: System) -> tuple[int, list[Broken]]:
    """How many packages the enabled repositories offer, and those that cannot be installed alone."""
    problem = _problem(system)
    broken = [
        Broken(
            str(one.package),
            one.package.repository,
            tuple(sentence.text for told in explain(one.conflict) for sentence in told.because),
        )
        for one in check_all(problem)
    ]
    return _count(problem), broken


def _count(problem: Problem) -> int:
    """How many packages there are, each once that several repositories offer."""
    if len(problem.universes) == 1:
        return len(problem.universes[0])
    return len({universe.text_bytes(key) for universe in problem.universes for key in universe.key})


def _problem(system: System) -> Problem:
    model = generations.model_of(system.record, system.active)
    return problem_of(system, sync_request(model), installed(system))


def _known(problem: Problem, name: str) -> bool:
    return any(universe.capability(name.encode()) >= 0 for universe in problem.universes)


def _said(reason: Reason) -> str:
    match reason:
        case Wished(wish):
            asked = wish.origin or str(wish.formula)
            return f"you asked for {asked}"
        case Needed(by, formula):
            return f"{by} needs {formula}"
        case Recommended(by, formula):
            return f"{by} recommends {formula}"
        case Subscribed(subscription, relation):
            return f"the subscription {subscription.name} wants {relation}"
        case Supplements(formula):
            return f"it goes with {formula}"
        case Stayed():
            return "it was installed and nothing speaks against it"
        case Updated():
            return "it was asked to be updated"
        case _:
            assert_never(reason)
