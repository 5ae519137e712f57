"""A conflict in sentences about packages.

The rules are told from the request downwards: what was asked, what that needs, what those need, and
last what stands in the way. Versions of one name that say the same are told as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from solver.held import HeldBack
from solver.model import Formula, Operator, Relation
from solver.request import Forbid, Hold, Pin, Removal, Subscription, Wish
from solver.rules import Candidate, Kind, Rule
from solver.solution import Conflict, Repair, RepairKind, Solution, Step
from solver.values import value
from solver.version import Scheme, VersionError, sort_key

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SHOWN = 3


@value
class Sentence:
    """One line of an explanation and the rules it tells."""

    text: str
    rules: tuple[Rule, ...]


@value
class Explanation:
    """One conflict told: what cannot be, why, and how many reasons it takes."""

    headline: str
    because: tuple[Sentence, ...]
    closing: str


def explain(conflict: Conflict) -> tuple[Explanation, ...]:
    """Each conflict told, the first one first."""
    return tuple(_explain(rules) for rules in (conflict.rules, *conflict.others))


def _explain(rules: Sequence[Rule]) -> Explanation:
    groups = _merged(_downwards(rules))
    asked = [group[0] for group in groups if group[0].kind in (Kind.WISHED, Kind.KEPT)]
    # The headline says what was wished; what became of it is told below.
    told = [group for group in groups if group[0] not in asked] or groups
    sentences = tuple(Sentence(_tell(group), tuple(group)) for group in told)
    count = len(sentences)
    number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    closing = "This alone is impossible" if count == 1 else f"These {number} alone conflict"
    return Explanation(_headline(asked, rules), sentences, closing)


def _headline(asked: Sequence[Rule], rules: Sequence[Rule]) -> str:
    if len(asked) == 1:
        for rule in rules:
            if isinstance(rule.asked, Removal):
                return f"{rule.asked.relation} cannot be removed while {_wanted(asked[0])} is wanted"
        verb = "stay" if asked[0].kind is Kind.KEPT else "be installed"
        return f"{_wanted(asked[0])} cannot {verb}"
    if asked:
        names = [_wanted(rule) for rule in asked]
        return f"{', '.join(names[:-1])} and {names[-1]} cannot be installed together"
    for rule in rules:
        if isinstance(rule.asked, Subscription):
            return f"the subscription {rule.asked.name} cannot be followed"
    return "what is asked for cannot be done"


def _wanted(rule: Rule) -> str:
    assert isinstance(rule.asked, Wish)
    where = f" from {rule.asked.repository}" if rule.asked.repository else ""
    return f"{rule.formula}{where}"


def _downwards(rules: Sequence[Rule]) -> list[Rule]:
    """Rules of the request that want something first, then what they lead to."""
    wants = (Kind.WISHED, Kind.KEPT, Kind.SUBSCRIBED, Kind.HELD)
    told = [rule for rule in rules if rule.kind in wants]
    needs = [rule for rule in rules if rule.kind is Kind.NEEDS]
    reached: set[Candidate] = set()
    for rule in told:
        reached.update(rule.candidates)
    while needs:
        following = [rule for rule in needs if rule.package in reached] or needs[:1]
        told += following
        needs = [rule for rule in needs if rule not in following]
        for rule in following:
            reached.update(rule.candidates)
    return told + [rule for rule in rules if rule not in told]


def _merged(rules: Iterable[Rule]) -> list[list[Rule]]:
    """Rules that say the same of several packages, together."""
    groups: dict[object, list[Rule]] = {}
    for rule in rules:
        package = rule.package.name if rule.package and not rule.formula else None
        other = rule.other.name if rule.other and not rule.formula else None
        formula = None if rule.kind is Kind.ONE_VERSION else rule.formula
        asked = rule.asked if rule.package is None or rule.kind is not Kind.NEEDS else None
        place: tuple[object, ...] = (rule.kind, package, other, formula, asked)
        groups.setdefault(place, []).append(rule)
    return list(groups.values())


def _tell(group: Sequence[Rule]) -> str:
    rule = group[0]
    match rule.kind:
        case Kind.WISHED:
            return _reason(rule, f"you asked for {_wanted(rule)}") + _providers(rule)
        case Kind.KEPT:
            return _reason(rule, f"you asked to keep {rule.formula}") + _providers(rule)
        case Kind.SUBSCRIBED:
            assert isinstance(rule.asked, Subscription)
            text = f"the subscription {rule.asked.name} requires {rule.formula}"
            return _reason(rule, text) + _providers(rule)
        case Kind.NEEDS:
            needs = "need" if len(group) > 1 else "needs"
            return f"{_subject(group)} {needs} {rule.formula}" + _providers(rule)
        case Kind.CONFLICTS | Kind.BREAKS:
            return _tell_conflict(group)
        case Kind.ONE_VERSION:
            versions = _versions([c for r in group for c in (r.package, r.other) if c])
            assert rule.package is not None
            return f"only one version of {rule.package.name} can be installed: {versions}"
        case Kind.REMOVED | Kind.FORBIDDEN | Kind.PINNED | Kind.HELD:
            return _tell_asked(group)
        case Kind.NO_OLDER:
            return f"{rule.package} stays or becomes newer"
        case _:
            assert_never(rule.kind)


def _tell_conflict(group: Sequence[Rule]) -> str:
    rule = group[0]
    verb = "breaks" if rule.kind is Kind.BREAKS else "conflicts with"
    if len({r.package for r in group}) > 1:
        verb = "break" if rule.kind is Kind.BREAKS else "conflict with"
    others = list(dict.fromkeys(r.other for r in group if r.other))
    relation = rule.formula
    assert isinstance(relation, Relation)
    if any(other.name != relation.name for other in others):
        provide = "provides" if len({other.name for other in others}) == 1 else "provide"
        return f"{_subject(group)} {verb} {relation}, which {_list(others)} {provide}"
    text = f"{_subject(group)} {verb} {_list(others)}"
    if relation.operator in (None, Operator.EQ):
        return text
    return f"{text} (every version {relation.operator.value} {relation.version})"


def _tell_asked(group: Sequence[Rule]) -> str:
    rule = group[0]
    asked = rule.asked
    match asked:
        case Removal(relation):
            return _reason(rule, f"you asked to remove {relation}") + _matched(relation, group)
        case Forbid(relation):
            return _reason(rule, f"you forbade {relation}") + _matched(relation, group)
        case Pin(relation, _, repository):
            where = f" from {repository}" if repository else ""
            return _reason(rule, f"you pinned {_pinned(relation)}{where}")
        case Hold(name):
            return _reason(rule, f"you hold {name} at {_versions([r.package for r in group if r.package])}")
        case Wish() | Subscription() | None:
            raise AssertionError(f"{rule.kind} is asked by no {asked}")
        case _:
            assert_never(asked)


def _pinned(relation: Relation) -> str:
    if relation.operator is None:
        return relation.name
    sign = "" if relation.operator is Operator.EQ else f"{relation.operator.value} "
    return f"{relation.name} to {sign}{relation.version}"


def _matched(relation: Relation, group: Sequence[Rule]) -> str:
    """Which packages are meant, where they are not named so."""
    packages = [rule.package for rule in group if rule.package]
    if all(package.name == relation.name for package in packages):
        return ""
    return f", which {_list(packages)} provides"


def _reason(rule: Rule, text: str) -> str:
    """The caller's own words about it, where there are any."""
    reason = getattr(rule.asked, "reason", "")
    return f"{text} ({reason})" if reason else text


def _providers(rule: Rule) -> str:
    """… , which only bar 5.1-7 provides"""
    formula, candidates = rule.formula, rule.candidates
    named = all(_is_named(formula, candidate) for candidate in candidates)
    if not candidates:
        if not rule.near:
            return ", which no package provides"
        only = f", and there is only {_list(rule.near)}"
        if isinstance(rule.asked, Wish) and rule.asked.repository:
            only += f" in {', '.join(dict.fromkeys(near.repository for near in rule.near))}"
        return only
    if named:
        return ""
    only = "only " if len({candidate.name for candidate in candidates}) == 1 else ""
    verb = "provides" if only else "provide"
    return f", which {only}{_list(candidates)} {verb}"


def _is_named(formula: Formula | None, candidate: Candidate) -> bool:
    return isinstance(formula, Relation) and formula.name == candidate.name


def _subject(group: Sequence[Rule]) -> str:
    return _list(sorted({rule.package for rule in group if rule.package}))


def _list(candidates: Iterable[Candidate]) -> str:
    """Packages, the versions of each name together."""
    by_name: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_name.setdefault(candidate.name, []).append(candidate)
    texts = [f"{name} {_versions(versions)}" for name, versions in by_name.items()]
    if len(texts) > _SHOWN:
        return f"{', '.join(texts[:_SHOWN])} and {len(texts) - _SHOWN} more"
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else texts[0]


def _versions(candidates: Sequence[Candidate]) -> str:
    texts = dict.fromkeys(candidate.version for candidate in candidates)
    # Whatever the scheme, this reads in a natural order.
    versions = sorted(texts, key=_natural)
    if len(versions) > _SHOWN:
        return f"{versions[0]} … {versions[-1]} ({len(versions)} versions)"
    return " or ".join(versions)


def _natural(version: str) -> bytes:
    try:
        return sort_key(Scheme.RPM, version)
    except VersionError:
        return version.encode()


def describe_held(back: HeldBack) -> tuple[str, ...]:
    """Why a package is held back, in sentences; none where another preference came first."""
    if not back.rules:
        return ()
    groups = _merged(_downwards(back.rules))
    return tuple(_tell(group) for group in groups if not _goes_without_saying(group[0], back.held.newest))


def _goes_without_saying(rule: Rule, newest: Candidate) -> bool:
    """That what stays does, that one version of a name takes the place of another, that a name which
    was asked for must be there; and the question itself."""
    if rule.kind is Kind.ONE_VERSION:
        return rule.package is not None and rule.package.name == newest.name
    if isinstance(rule.asked, Wish):
        plain = isinstance(rule.formula, Relation) and rule.formula.version is None and not rule.asked.repository
        return plain or rule.asked.origin == newest.key
    return rule.kind is Kind.NO_OLDER


def describe_repair(repair: Repair) -> str:
    """A repair in words: what to do, and what comes of it."""
    return f"{', '.join(map(_step, repair.steps))}: {describe_difference(repair.solution)}"


def _step(step: Step) -> str:
    match step.kind:
        case RepairKind.DROP_WISH:
            return f"leave out {step.subject}"
        case RepairKind.OTHER_VERSION:
            return f"take any version of {step.subject}"
        case RepairKind.UNPIN:
            return f"unpin {step.subject}"
        case RepairKind.UNHOLD:
            return f"no longer hold {step.subject}"
        case RepairKind.ALLOW:
            return f"allow {step.subject}"
        case RepairKind.KEEP:
            return f"do not remove {step.subject}"
        case RepairKind.UNSUBSCRIBE:
            return f"turn off the subscription {step.subject}"
        case _:
            assert_never(step.kind)


def _counted(solution: Solution) -> str:
    """98 packages are installed, 1 changes, 2 are removed"""
    said: list[str] = []
    for count, one, several in (
        (len(solution.installs), "is installed", "are installed"),
        (len(solution.changes), "changes", "change"),
        (len(solution.removals), "is removed", "are removed"),
    ):
        noun = "" if said else " package" if count == 1 else " packages"
        said += [f"{count}{noun} {one if count == 1 else several}"] if count else []
    return ", ".join(said)


def describe_difference(solution: Solution) -> str:
    """What a solution does to what is installed, in a line."""
    if len(solution.installs) + len(solution.changes) + len(solution.removals) > _SHOWN:
        return _counted(solution)
    parts = [f"{c.before.name} {c.before.version} → {c.after.version}" for c in solution.changes]
    parts += [f"{candidate} is installed" for candidate in solution.installs]
    parts += [f"{candidate} is removed" for candidate in solution.removals]
    if not parts:
        return "nothing changes"
    return f"{', '.join(parts)}, nothing else changes"
