"""libsolv's own cases in our model: what each asks, and why some ask for what moss does not have.

`python -m tests.solver.libsolv_cases > docs/libsolv-cases.md` writes the table.
"""

import gzip
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from solver import (
    AnyOf,
    Conflict,
    Forbid,
    Formula,
    Hold,
    Measure,
    Operator,
    Package,
    Pin,
    Problem,
    Provide,
    Relation,
    Removal,
    Request,
    Scheme,
    Solution,
    Subscription,
    SubscriptionRule,
    Universe,
    Wish,
    parse_formula,
    solve,
)
from tests.solver.oracle import Oracle, Puzzle

DATA = Path(__file__).parents[3] / "shared" / "data" / "libsolv-cases-b.json.gz"
PAGE = Path(__file__).parents[2] / "docs" / "libsolv-cases.md"
Case = dict[str, Any]

# Features that say which of several good answers libsolv takes, not which answers there are. The
# cases that have them are scored; what they prefer is left out.
TASTES = {
    "job:favor": "a preferred provider is a subscription's rule, for a capability, not for one job",
    "job:disfavor": "as job:favor",
    "suggests": "suggestions are for people to read, never acted upon",
    "enhances": "as suggests",
    "solver:strongrecommends": "recommendations are never stronger than what is asked for",
    "solver:focusnew": "there is one order of preferences, proven, for the whole answer",
    "solver:focusbest": "as solver:focusnew",
    "solver:focusinstalled": "as solver:focusnew",
}
# Features that change which answers there are, in a way that moss does not have.
MISSING = {
    "solver:yumobsoletes": "yum's way with two packages that obsolete one: moss keeps libsolv's usual way",
    "namespace": "a job about a namespace stands for all packages that supplement it; in moss a subscription does",
    "disabled": "libsolv's test switches an installed package off, which nothing in a real system does",
    "provides a range": "a package of moss provides a capability in one version or without any, never in a range",
}


@dataclass
class Told:
    """A case while it is translated."""

    case: Case
    packages: list[Package] = field(default_factory=list)
    request: Request = field(default_factory=Request)
    removable: set[str] = field(default_factory=set)
    automatic: set[str] = field(default_factory=set)
    renewed: set[str] = field(default_factory=set)

    @property
    def system(self) -> list[Package]:
        return [p for p in self.packages if p.repository == self.case["system"]["installed"]]

    @property
    def offered(self) -> list[Package]:
        return [p for p in self.packages if p.repository != self.case["system"]["installed"]]

    def more(self, **values: object) -> None:
        grown = {name: (*getattr(self.request, name), value) for name, value in values.items()}
        self.request = replace(self.request, **grown)


def read() -> list[Case]:
    """Every case with its packages; none where the data is missing."""
    if not DATA.exists():
        return []
    with gzip.open(DATA, "rt", encoding="utf-8") as file:
        data = json.load(file)
    for case in data["cases"]:
        for repo in case["repos"]:
            repo["told"] = data["package_sets"].get(repo["packages"], ())
    cases: list[Case] = data["cases"]
    return cases


def why_not_ours(case: Case) -> str:
    """What moss does not have of a case; nothing where it has all of it."""
    found = set(case["features"])
    if any(line.startswith("namespace") for line in case["env"]):
        found.add("namespace")
    if any(line.startswith("disable") and line.endswith(f"@{case['system']['installed']}") for line in case["env"]):
        found.add("disabled")
    if any(p.get("op", "=") != "=" for r in case["repos"] for told in r["told"] for p in told.get("provides", ())):
        found.add("provides a range")
    return next((why for feature, why in MISSING.items() if feature in found), "")


# Packages


def formula(told: dict[str, str]) -> Formula:
    if "raw" in told:
        text = re.sub(r"^(.*) <IF> \((.*) <ELSE> (.*)\)$", r"(\1 if \2 else \3)", told["raw"])
        text = re.sub(r"([A-Za-z]\w*) (=|<|>|<=|>=) (\S+)", r"\1 (\2 \3)", text.replace("<IF>", "if"))
        return parse_formula(text)
    return relation(told)


def relation(told: dict[str, str]) -> Relation:
    if told.get("op"):
        return Relation(told["name"], Operator(told["op"]), told["evr"])
    return Relation(told["name"])


def key_of(told: dict[str, Any]) -> str:
    return f"{told['name']}-{told['evr']}.{told['arch']}"


def package(told: dict[str, Any], repository: str, several: set[str]) -> Package:
    obsoletes = tuple(relation(one) for one in told.get("obsoletes", ()))
    return Package(
        key=key_of(told),
        name=told["name"],
        version=told["evr"],
        scheme=Scheme.RPM,
        arch=told["arch"],
        repository=repository,
        provides=tuple(Provide(p["name"], p.get("evr")) for p in told.get("provides", ())),
        depends=tuple(formula(one) for one in told.get("requires", ())),
        conflicts=(*(relation(one) for one in told.get("conflicts", ())), *obsoletes),
        replaces=obsoletes,
        recommends=tuple(formula(one) for one in told.get("recommends", ())),
        supplements=tuple(formula(one) for one in told.get("supplements", ())),
        multi_version=told["name"] in several,
    )


def packages_of(case: Case) -> Iterator[Package]:
    """What is there and on offer, each once: a package that is installed and on offer is one."""
    several = {job["args"][0] for job in case["jobs"] if job["verb"] == "multiversion"}
    picked = {job["args"][0] for job in case["jobs"] if job["select"] == "pkg"}
    disabled = {line.split()[2] for line in case["env"] if line.startswith("disable pkg")}
    strict = "strictrepopriority" in case["solverflags"]
    best = {
        told["name"]: max(int(r["priority"]) for r in case["repos"] for t in r["told"] if t["name"] == told["name"])
        for repo in case["repos"]
        for told in repo["told"]
        if repo["name"] != case["system"]["installed"]
    }
    for repo in case["repos"]:
        for told in repo["told"]:
            is_here = repo["name"] == case["system"]["installed"]
            name = f"{key_of(told)}@{repo['name']}"
            hidden = strict and not is_here and name not in picked and int(repo["priority"]) < best[told["name"]]
            if not hidden and name not in disabled:
                yield package(told, repo["name"], several)


# Requests


def problem_of(case: Case) -> Problem:
    """The case as a problem of ours."""
    told = Told(case, list(packages_of(case)))
    for job in case["jobs"]:
        add_job(told, job)
    flags = set(case["solverflags"])
    if "allowuninstall" not in flags:
        for wish in keeps(told):
            told.more(keeps=wish)
    lenient = "allowuninstall" in flags
    for one in told.system:
        renewed = one.name in told.renewed
        if not one.multi_version and not (renewed and (lenient or "!dupallowdowngrade" not in flags)):
            told.more(forbids=Forbid(Relation(one.name, Operator.LT, one.version)))
        if renewed and "!dupallowarchchange" in flags and not lenient:
            for arch in {p.arch for p in told.packages if p.name == one.name} - {one.arch, "noarch"}:
                told.more(forbids=Forbid(Relation(one.name, arch=arch)))
    order = [Measure.REMOVED, Measure.NOT_UPDATED, Measure.CHANGED, Measure.UNMET, Measure.NEW]
    if "ignorerecommended" in flags:
        order.remove(Measure.UNMET)
    arch = case["system"]["arch"]
    inferior = ("i686", "i586", "i386")
    system = case["system"]["installed"]
    repos = sorted((r["name"] for r in case["repos"]), key=lambda name: name == system)
    priorities = {r["name"]: int(r["priority"]) for r in case["repos"] if r["name"] != system}
    if told.renewed:
        priorities[system] = min(priorities.values(), default=0) - 1
    return Problem(
        universes=tuple(Universe.of(unique(p for p in told.packages if p.repository == r)) for r in repos),
        installed=tuple(sorted({p.key for p in told.system})),
        automatic=frozenset(told.automatic),
        request=told.request,
        preferences=tuple(order),
        priorities=priorities,
        architectures=() if arch in ("*", "unset") else tuple(dict.fromkeys((arch, *inferior))),
    )


def unique(packages: Iterable[Package]) -> list[Package]:
    return list({p.key: p for p in packages}.values())


def selected(told: Told, job: Case) -> Relation:
    words = job["args"]
    if job["select"] == "pkg":
        (wanted,) = {p.key: p for p in told.packages if f"{p.key}@{p.repository}" == words[0]}.values()
        return Relation(wanted.name, Operator.EQ, wanted.version)
    if len(words) > 1:
        return Relation(words[0], Operator(words[1]), words[2])
    name, dot, arch = words[0].rpartition(".")
    return Relation(name, arch=arch) if dot and arch in ("i586", "i686", "noarch", "x86_64") else Relation(words[0])


def matching(packages: Iterable[Package], wanted: Relation) -> list[Package]:
    return [p for p in packages if p.name == wanted.name and fits(p.version, wanted) and wanted.arch in (None, p.arch)]


def best_of(told: Told, wanted: Relation) -> Relation:
    """The newest version on offer that no lock bars, as a relation."""
    barred = [forbid.relation for forbid in told.request.forbids]
    locks = [selected(told, job) for job in told.case["jobs"] if job["verb"] == "lock"]
    if any(matching(told.system, lock) for lock in locks if lock.name == wanted.name):
        return wanted
    fitting = [p for p in matching(told.packages, wanted) if not any(matching([p], r) for r in (*barred, *locks))]
    newest = max(fitting, key=lambda p: Order(p.version))
    return Relation(newest.name, Operator.EQ, newest.version)


def add_job(told: Told, job: Case) -> None:
    """One job of libsolv's, in terms of ours."""
    verb, flags = job["verb"], job["flags"]
    if verb in ("multiversion", "favor", "disfavor"):
        return
    everything = job["select"] in ("all", "repo")
    wanted = None if everything else selected(told, job)
    if "cleandeps" in flags:
        erased = verb == "erase" and wanted is not None
        there = providing(told.system, wanted) if erased and wanted else None
        told.automatic |= needed_by(told, there or (told.system if wanted is None else by_name(told.system, wanted)))
    match verb:
        case "install" if wanted is not None:
            add_wish(told, job, wanted)
        case "erase" if "weak" in flags:
            pass  # erased if nothing speaks against it: of several answers the one libsolv takes
        case "erase" if wanted is not None:
            told.more(removals=Removal(wanted))
        case "update" | "distupgrade":
            add_update(told, job, wanted)
        case "lock" if wanted is not None:
            if matching(told.system, wanted):
                told.more(holds=Hold(wanted.name))
            else:
                told.more(forbids=Forbid(wanted))
        case "blacklist" if wanted is not None:
            direct = [j for j in told.case["jobs"] if j["select"] == "pkg" or "setevr" in j["flags"]]
            known = {selected(told, j).name for j in direct}
            if any(j["verb"] == "update" for j in told.case["jobs"]):
                known |= {p.name for p in told.system}
            for one in (p for p in providing(told.offered, wanted) if p.name not in known):
                told.more(forbids=Forbid(Relation(one.name, Operator.EQ, one.version)))
        case "allowuninstall" if wanted is not None:
            told.removable.add(wanted.name)
        case _:
            raise AssertionError(job)


def add_wish(told: Told, job: Case, wanted: Relation) -> None:
    if "forcebest" in job["flags"]:
        wanted = best_of(told, wanted)
    if "weak" in job["flags"]:
        told.more(subscriptions=Subscription("weak", (SubscriptionRule(want=(wanted,)),)))
    else:
        repository = job["args"][0].rpartition("@")[2] if job["select"] == "pkg" else None
        told.more(wishes=Wish(wanted, repository=repository))


def add_update(told: Told, job: Case, wanted: Relation | None) -> None:
    """Update, or move to what repositories offer, older or newer."""
    by_target = "noautotarget" not in told.case["solverflags"] or "targeted" in job["flags"]
    if wanted is not None and not by_target and not matching(told.system, wanted):
        return
    names = {p.name for p in (told.system if wanted is None else by_name(told.system, wanted))}
    if job["select"] == "repo":
        names &= {p.name for p in told.packages if p.repository == job["args"][0]}
    if wanted is not None and wanted.version is not None:
        told.more(wishes=Wish(wanted))
        if "targeted" in job["flags"] and matching(told.system, wanted):
            return
    for name in sorted(names):
        told.more(updates=name)
        if "forcebest" in job["flags"]:
            told.more(wishes=Wish(best_of(told, Relation(name))))
    if job["verb"] == "distupgrade":
        renew(told, names, job["args"][0] if job["select"] == "repo" else None)
        if "keeporphans" not in told.case["solverflags"] and job["select"] == "all":
            known = {p.name for p in told.offered}
            told.automatic |= {p.key for p in told.system if p.name not in known}


def renew(told: Told, names: set[str], repository: str | None) -> None:
    """What is installed gives way to what is on offer, which in moss are pins to a repository."""
    told.renewed |= names
    for name in sorted(names):
        offered = [p for p in told.offered if p.name == name and repository in (None, p.repository)]
        several = any(p.multi_version for p in offered)
        for one in told.system:
            if one.name == name and offered and not several and one.key not in {p.key for p in offered}:
                told.more(removals=Removal(Relation(name, Operator.EQ, one.version, one.arch)))
        if offered and repository is not None and not several:
            told.more(pins=Pin(Relation(name), repository=repository))
        if offered and several and "allowuninstall" not in told.case["solverflags"]:
            told.more(wishes=Wish(AnyOf(tuple(Relation(name, Operator.EQ, p.version) for p in offered))))


def by_name(packages: Iterable[Package], wanted: Relation) -> list[Package]:
    return [p for p in packages if p.name == wanted.name]


def providing(packages: Iterable[Package], wanted: Relation) -> list[Package]:
    return [
        p
        for p in packages
        if matching([p], wanted) or any(o.name == wanted.name and wanted.version is None for o in p.provides)
    ]


def needed_by(told: Told, packages: list[Package]) -> set[str]:
    """What is there for others of these only, as far as names and provides say."""
    found: set[str] = set()
    todo = list(packages)
    for one in todo:
        for part in one.depends:
            for other in providing(told.system, Relation(part.name)) if isinstance(part, Relation) else ():
                if other.key not in found and (other not in packages or len(packages) == len(told.system)):
                    found.add(other.key)
                    todo.append(other)
    return found


def keeps(told: Told) -> Iterator[Wish]:
    """Without allowuninstall, what is installed stays or is obsoleted, unless it is to go."""
    for installed in told.system:
        removals = [r.relation for r in told.request.removals if installed.name not in told.renewed]
        gone = any(providing([installed], relation) for relation in removals)
        if gone or installed.name in told.removable or installed.key in told.automatic:
            continue
        instead = {p.name for p in told.packages if any(r.name == installed.name for r in p.replaces)}
        names = [installed.name, *sorted(instead - {installed.name})]
        goes_on = installed.name not in told.renewed or "keeporphans" in told.case["solverflags"]
        if installed.multi_version and goes_on:
            yield Wish(Relation(installed.name, Operator.EQ, installed.version))
            continue
        yield Wish(AnyOf(tuple(map(Relation, names))) if len(names) > 1 else Relation(names[0]))


# libsolv's answer


def theirs(case: Case) -> set[str]:
    """The keys that are there after libsolv's transaction."""
    chosen = {
        key_of(told) for repo in case["repos"] for told in repo["told"] if repo["name"] == case["system"]["installed"]
    }
    for step in case["expect"]["transaction"]:
        before, after = step.get("from") or step.get("pkg"), step.get("to") or step.get("pkg")
        if step["op"] in ("install", "multiinstall"):
            before = None
        elif step["op"] == "erase":
            after = None
        chosen -= {before.partition("@")[0]} if before else set()
        chosen |= {after.partition("@")[0]} if after else set()
    return chosen


class Judge(Oracle):
    """What is valid, and what it costs, said apart from the solver."""

    def __init__(self, problem: Problem) -> None:
        packages = {u.package(at).key: u.package(at) for u in reversed(problem.universes) for at in range(len(u))}
        self.unneeded = {packages[key].name for key in problem.automatic}
        super().__init__(
            Puzzle(
                tuple(packages.values()),
                frozenset(problem.installed),
                problem.request,
                problem.preferences,
                dict(problem.priorities),
                problem.architectures,
            )
        )

    def order(self, version: str, other: str) -> int:
        return Order(version).compared(Order(other))

    def removed(self, chosen: int) -> int:
        """What is there for others only may go."""
        gone = {name for name in self.unneeded if not self.of_name[name] & chosen}
        return super().removed(chosen) - len(gone)

    def costs(self, chosen: set[str]) -> tuple[int, ...] | None:
        """The cost of each preference; None where the set is not valid."""
        if not chosen <= self.bit.keys():
            return None
        mask = sum(self.bit[key] for key in chosen)
        if not self.is_valid(mask):
            return None
        return tuple(self.measure(measure, mask) for measure in self.puzzle.preferences)


# RPM's order in its own words, for checking answers


class Order:
    """A version with epoch and release, compared as rpm's manual says."""

    def __init__(self, text: str) -> None:
        epoch, colon, rest = text.partition(":")
        self.epoch, rest = (int(epoch), rest) if colon else (0, text)
        self.version, dash, release = rest.rpartition("-")
        self.release: str | None = release if dash else None
        if not dash:
            self.version = release

    def compared(self, other: "Order") -> int:
        pairs = [(self.version, other.version)]
        if self.release is not None and other.release is not None:
            pairs.append((self.release, other.release))
        if self.epoch != other.epoch:
            return -1 if self.epoch < other.epoch else 1
        return next((order for a, b in pairs if (order := segments(a, b))), 0)

    def __lt__(self, other: "Order") -> bool:
        return self.compared(other) < 0


def segments(a: str, b: str) -> int:
    ours, others = (re.findall(r"[0-9]+|[a-zA-Z]+", text) for text in (a, b))
    for x, y in zip(ours, others, strict=False):
        if x.isdigit() != y.isdigit():
            return 1 if x.isdigit() else -1
        if x != y and not (x.isdigit() and int(x) == int(y)):
            return 1 if ((int(x) > int(y)) if x.isdigit() else x > y) else -1
    return (len(ours) > len(others)) - (len(ours) < len(others))


def fits(version: str | None, wanted: Relation) -> bool:
    if wanted.operator is None or wanted.version is None or version is None:
        return True
    return wanted.operator.holds(Order(version).compared(Order(wanted.version)))


# The table


def page() -> str:
    """docs/libsolv-cases.md."""
    cases = read()
    scored = [case for case in cases if not why_not_ours(case)]
    same = unsolvable = 0
    for case in scored:
        answer = solve(problem_of(case))
        if isinstance(answer, Solution):
            same += {one.key for one in answer.chosen} == theirs(case)
        unsolvable += isinstance(answer, Conflict)
    counted = {name: sum(name in case["features"] for case in scored) for name in TASTES}
    lines = [
        "# libsolv's cases",
        "",
        "Made by `python -m tests.solver.libsolv_cases`; a test compares it.",
        "",
        f"Of libsolv's own {len(cases)} cases {len(scored)} are asked of moss's solver. In each the verdict is",
        "libsolv's; where there is an answer it is valid, checked apart from the solver, and by moss's preferences it",
        f"costs no more than libsolv's transaction. {same} answers are libsolv's to the package, {unsolvable} cases",
        "have none.",
        "",
        "## Not asked, and why",
        "",
        "| case | why |",
        "|---|---|",
        *(f"| {case['id']} | {why} |" for case in cases if (why := why_not_ours(case))),
        "",
        "## Matters of taste",
        "",
        "These features of libsolv choose among good answers. The cases are asked, the preference is left out: moss",
        "has preferences of its own.",
        "",
        "| feature | cases | in moss |",
        "|---|---|---|",
        *(f"| {name} | {count} | {why} |" for name, why in TASTES.items() if (count := counted[name])),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
