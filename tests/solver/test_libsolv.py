"""libsolv's own cases, where our model has what they are about.

The verdict must be libsolv's, and the answer must cost no more than libsolv's transaction. Equality of
transactions is no goal: policies differ, and an optimum is not always what libsolv takes.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from solver import (
    AnyOf,
    Conflict,
    Forbid,
    Hold,
    Measure,
    Operator,
    Package,
    Problem,
    Provide,
    Relation,
    Removal,
    Request,
    Scheme,
    Solution,
    Universe,
    Wish,
    solve,
)

DATA = Path(__file__).parents[3] / "shared" / "data" / "libsolv-cases-b.json.gz"

# What our model does not have, and why.
NOT_OURS = {
    "job:favor": "moss prefers by subscription rules, which say so for a capability, not for a job",
    "job:disfavor": "as favor",
    "job:distupgrade": "moss never downgrades or removes to match a repository unless asked by version",
    "job:blacklist": "moss's forbid holds for everything new, also for what is asked for by name",
    "suggests": "suggestions are shown to people, never acted upon",
    "enhances": "as suggests",
    "flag:cleandeps": "automatic packages are data of the problem, not a flag of a job",
    "flag:forcebest": "the newest version is a preference; insisting on it is a wish with a version",
    "flag:targeted": "moss's jobs are always targeted",
    "flag:weak": "a wish is never optional",
    "flag:setevr": "as forcebest",
    "job:allowuninstall": "removing is allowed at a cost; not removing is a keep",
    "select:repo": "an update is not limited to a repository; a wish can be",
    "rich": "read by moss from formulas, not from rpm's spelling",
    "repo-priority": "libsolv's lower priority numbers and its strict mode have another meaning",
    "solver:strongrecommends": "recommendations are never stronger than what is asked for",
    "solver:addalreadyrecommended": "what is there keeps its unmet recommendations unmet",
    "solver:onlynamespacerecommended": "a libsolv mode without a use in moss",
    "solver:focusnew": "moss has one order of preferences at a time, proven",
    "solver:focusbest": "as focusnew",
    "solver:focusinstalled": "as focusnew",
    "solver:yumobsoletes": "a yum mode without a use in moss",
    "solver:keepexplicitobsoletes": "a libsolv mode without a use in moss",
    "solver:ignorerecommended": "",  # done here: the preference is left out
}


def cases() -> Iterator[dict[str, Any]]:
    if not DATA.exists():
        return
    with gzip.open(DATA, "rt") as file:
        data = json.load(file)
    for case in data["cases"]:
        features = set(case["features"])
        if not any(NOT_OURS.get(feature) for feature in features) and not case["env"]:
            case["sets"] = data["package_sets"]
            if not provides_ranges(case):
                yield case


def provides_ranges(case: dict[str, Any]) -> bool:
    """A package of ours provides a version or none, never a range of them."""
    return any(
        provided.get("op", "=") != "="
        for repo in case["repos"]
        for told in case["sets"].get(repo["packages"], ())
        for provided in told.get("provides", ())
    )


def relation(told: dict[str, Any]) -> Relation:
    if told.get("op"):
        return Relation(told["name"], Operator(told["op"]), told["evr"])
    return Relation(told["name"])


def package(told: dict[str, Any], repository: str, several: set[str]) -> Package:
    def relations(kind: str) -> tuple[Relation, ...]:
        return tuple(relation(one) for one in told.get(kind, ()))

    obsoletes = relations("obsoletes")
    return Package(
        key=f"{told['name']}-{told['evr']}.{told['arch']}@{repository}",
        name=told["name"],
        version=told["evr"],
        scheme=Scheme.RPM,
        arch=told["arch"],
        repository=repository,
        provides=tuple(Provide(p["name"], p.get("evr")) for p in told.get("provides", ())),
        depends=relations("requires"),
        conflicts=(*relations("conflicts"), *obsoletes),
        replaces=obsoletes,
        recommends=relations("recommends"),
        supplements=relations("supplements"),
        multi_version=told["name"] in several,
    )


def problem_of(case: dict[str, Any]) -> Problem:
    several = {job["args"][0] for job in case["jobs"] if job["verb"] == "multiversion"}
    packages = [
        package(told, repo["name"], several)
        for repo in case["repos"]
        for told in case["sets"].get(repo["packages"], ())
    ]
    system = [p for p in packages if p.repository == case["system"]["installed"]]
    request = Request()
    for job in case["jobs"]:
        request = with_job(request, job, packages)
    if "allowuninstall" not in case["solverflags"]:
        request = replace(request, keeps=tuple(keeps(system, packages, request)))
    downgrades = tuple(Forbid(Relation(p.name, Operator.LT, p.version)) for p in system if not p.multi_version)
    preferences = (
        Measure.REMOVED,
        Measure.DOWNGRADED,
        Measure.NOT_UPDATED,
        Measure.CHANGED,
        Measure.UNMET,
        Measure.NEW,
    )
    if "ignorerecommended" in case["solverflags"]:
        preferences = tuple(m for m in preferences if m is not Measure.UNMET)
    return Problem(
        universes=tuple(Universe.of(p for p in packages if p.repository == r["name"]) for r in case["repos"]),
        installed=tuple(p.key for p in system),
        request=replace(request, forbids=request.forbids + downgrades),
        preferences=preferences,
        architectures=(case["system"]["arch"], "i686", "i586", "i386") if case["system"]["arch"] != "*" else (),
    )


def with_job(request: Request, job: dict[str, Any], packages: list[Package]) -> Request:
    verb, words = job["verb"], job["args"]
    if verb == "multiversion":
        return request
    if job["select"] == "pkg":
        (wanted,) = (p for p in packages if p.key == words[0])
        told = Relation(wanted.name, Operator.EQ, wanted.version)
    elif job["select"] == "all":
        return replace(request, update_all=True)
    elif len(words) > 1:
        told = Relation(words[0], Operator(words[1]), words[2])
    else:
        told = Relation(words[0].rsplit(".", 1)[0] if words[0].endswith((".i586", ".noarch")) else words[0])
    match verb:
        case "install":
            return replace(request, wishes=(*request.wishes, Wish(told)))
        case "erase":
            return replace(request, removals=(*request.removals, Removal(told)))
        case "update":
            return replace(request, updates=(*request.updates, told.name))
        case "lock":
            return replace(request, holds=(*request.holds, Hold(told.name)))
        case "blacklist":
            return replace(request, forbids=(*request.forbids, Forbid(told)))
    raise AssertionError(verb)


def keeps(system: list[Package], packages: list[Package], request: Request) -> Iterator[Wish]:
    """Without allowuninstall, what is installed stays or is obsoleted, unless it is to be erased."""
    for installed in system:
        erased = any(removal.relation.name == installed.name for removal in request.removals)
        if not erased:
            instead = {p.name for p in packages if any(r.name == installed.name for r in p.replaces)}
            names = [installed.name, *sorted(instead - {installed.name})]
            yield Wish(AnyOf(tuple(map(Relation, names))) if len(names) > 1 else Relation(names[0]))


def forced(problem: Problem, case: dict[str, Any]) -> Problem:
    """The same problem, its answer dictated: libsolv's transaction."""
    chosen = set(problem.installed)
    for step in case["expect"]["transaction"]:
        if step["op"] in ("install", "multiinstall"):
            chosen.add(step.get("to") or step["pkg"])
        elif step["op"] == "erase":
            chosen.discard(step.get("from") or step["pkg"])
        else:
            chosen.discard(step["from"])
            chosen.add(step["to"])
    wishes, removals = list(problem.request.wishes), list(problem.request.removals)
    for universe in problem.universes:
        for number in range(len(universe)):
            one = universe.package(number)
            exact = Relation(one.name, Operator.EQ, one.version)
            if one.key in chosen:
                wishes.append(Wish(exact, repository=one.repository))
            elif not any(key.rpartition("@")[0] == one.key.rpartition("@")[0] for key in chosen):
                removals.append(Removal(replace(exact, arch=one.arch)))
    return replace(problem, request=replace(problem.request, wishes=tuple(wishes), removals=tuple(removals)))


CASES = list(cases())


@pytest.mark.skipif(not DATA.exists(), reason="libsolv's cases are not beside the checkout")
def test_many_of_the_cases_are_ours() -> None:
    assert len(CASES) >= 8


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_verdict_is_libsolvs_and_the_cost_no_higher(case: dict[str, Any]) -> None:
    problem = problem_of(case)
    answer = solve(problem)
    assert isinstance(answer, Conflict) == bool(case["expect"]["problems"])
    if isinstance(answer, Solution):
        theirs = solve(forced(problem, case))
        assert isinstance(theirs, Solution), "libsolv's transaction is valid in our model"
        costs = [level.cost for level in answer.levels]
        assert costs <= [level.cost for level in theirs.levels]
