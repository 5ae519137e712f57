"""How each subscription stands on a system: on or off, by whose word, and what it brings and saves."""

from collections.abc import Iterable, Iterator, Mapping, Set

from moss.db import candidates, generations
from moss.generation import Selected
from moss.in_force import NEVER, Holds, InForce, Standing, in_force
from moss.operations.filtering import left_out_by
from moss.operations.propose import problem_of
from moss.operations.queries import installed
from moss.operations.subscriptions import judge, subscriptions_of
from moss.operations.system import System
from moss.operations.verbs import sync_request
from moss.repository import Candidate
from moss.subscription import Setting, Switch, condition_text
from solver import Problem, Relation, SubscriptionRule
from solver.values import value


@value
class Brought:
    """A package that is there for a subscription, itself or for another that is."""

    name: str
    label: str
    size: int
    """Bytes of its files."""


@value
class Told:
    """One subscription, for the person."""

    name: str
    summary: str
    setting: Setting
    is_on: bool
    because: str
    """Why it is on or off, in a sentence."""
    values: tuple[str, ...]
    origin: str
    brings: tuple[Brought, ...]
    would_bring: tuple[Brought, ...]
    """What it wants that is not there, as repositories offer it; while it is off, what it would want."""
    leaves_out: bool
    """Whether it leaves out paths now."""
    saves: int | None = None
    """Bytes of the files that it leaves out."""
    nobody_offers: tuple[str, ...] = ()
    """What it wants now, and no repository offers."""


def standings(system: System) -> tuple[tuple[Told, ...], tuple[str, ...]]:
    """Every subscription by name, and sentences of what could not be taken as it stands."""
    model = generations.model_of(system.record, system.active)
    found, notes = subscriptions_of(system, model)
    here = installed(system)
    problem = problem_of(system, sync_request(model), here, subscriptions=found)
    holds = judge(problem, [one.candidate_key for one in here])
    brought = _brought(here)
    saved = left_out_by(system)
    told = [
        Told(
            standing.name,
            standing.definition.summary,
            standing.setting,
            holds(standing.condition),
            because(standing, found, holds),
            standing.values,
            standing.definition.origin,
            brought.get(standing.name, ()),
            _would_bring(system, standing, here, holds),
            standing.name in saved,
            saved.get(standing.name),
            _nobody_offers(system, standing, here, holds),
        )
        for standing in found.standings
    ]
    told += [_kept(switch, brought) for switch in found.capabilities]
    return tuple(sorted(told, key=lambda one: one.name)), notes


def keeping_away(system: System, name: str, problem: Problem) -> tuple[str, ...]:
    """Sentences: which subscriptions want a package that is not there, and why they do not bring it."""
    here = installed(system)
    if any(one.metadata.name == name for one in here):
        return ()
    found, _ = subscriptions_of(system, generations.model_of(system.record, system.active))
    relations = [one.metadata.relations for one in candidates.by_name(system.offers, name)]
    offered = {provide.name for one in relations for provide in one.provides}
    holds = judge(problem, [one.candidate_key for one in here])
    told = []
    for standing in found.standings:
        rules = [rule for rule in standing.definition.rules if _wants(rule, {name, *offered})]
        if not rules:
            continue
        if not holds(standing.condition):
            told.append(f"the subscription {standing.name}, which wants it, is off: {because(standing, found, holds)}")
        else:
            conditions = " or ".join(condition_text(rule.condition) for rule in rules if rule.condition is not None)
            where = f" where {conditions}" if conditions else ""
            told.append(f"the subscription {standing.name} wants it{where}")
    return tuple(told)


def _wants(rule: SubscriptionRule, names: Set[str]) -> bool:
    return any(relation.name in names for relation in (*rule.require, *rule.want))


def because(standing: Standing, found: InForce, holds: Holds) -> str:
    """Why a subscription is on or off: whose word it is, and what it would be without that."""
    is_on = holds(standing.condition)
    switch = standing.switch
    if switch is None or standing.setting is Setting.AUTO:
        return _by_itself(standing, is_on)
    reason = f" ({switch.why})" if switch.why else ""
    chosen = f"you chose {', '.join(switch.values)}" if switch.values else f"you turned it {standing.setting.value}"
    alone = _alone(standing, found)
    otherwise = holds(alone.condition)
    if otherwise is is_on:
        return chosen + reason
    word, by_itself = "on" if otherwise else "off", _by_itself(alone, otherwise)
    why_then = "" if by_itself.startswith(f"{word} ") else f": {by_itself}"
    return f"{chosen}{reason}; by itself it would be {word}{why_then}"


def _alone(standing: Standing, found: InForce) -> Standing:
    """As it would stand without the person's word on it."""
    switches = [one.switch for one in found.standings if one.switch is not None and one.name != standing.name]
    again = in_force((*switches, *found.capabilities), (one.definition for one in found.standings), found.facts)
    return next(one for one in again.standings if one.name == standing.name)


def _by_itself(standing: Standing, is_on: bool) -> str:
    definition = standing.definition
    if standing.setting is not Setting.AUTO:
        return f"{standing.setting.value} until you say otherwise"
    if definition.when is None:
        return "on until you say otherwise"
    if is_on:
        return f"{condition_text(definition.when)} holds"
    if standing.condition == NEVER:
        return f"{condition_text(definition.when)} does not hold here"
    return f"it waits for {condition_text(standing.condition)}"


def _kept(switch: Switch, brought: Mapping[str, tuple[Brought, ...]]) -> Told:
    why = f" ({switch.why})" if switch.why else ""
    told = f"you want somebody who provides it{why}"
    return Told(switch.name, "", Setting.ON, True, told, (), "", brought.get(switch.name, ()), (), False)


def _first_on_offer(system: System, wanted: str, there: Set[str]) -> list[Candidate]:
    """Who is called so, or else provides it: the first; nobody where one of those is there."""
    found = candidates.by_name(system.offers, wanted) or candidates.providers_of(system.offers, wanted)
    return [] if any(one.metadata.name in there for one in found) else found[:1]


def _brought(here: Iterable[Selected]) -> dict[str, tuple[Brought, ...]]:
    """Of each subscription, the packages whose recorded reasons lead to it."""
    by_name = {one.metadata.name: one for one in here}
    found: dict[str, list[Brought]] = {}
    for one in by_name.values():
        at, seen = one, {one.metadata.name}
        while (needer := at.reason.package) is not None and needer in by_name and needer not in seen:
            seen.add(needer)
            at = by_name[needer]
        if at.reason.subscription is not None:
            brought = Brought(one.metadata.name, one.metadata.label, one.installed_size)
            found.setdefault(at.reason.subscription, []).append(brought)
    return {name: tuple(packages) for name, packages in found.items()}


def _named_by(standing: Standing, holds: Holds) -> Iterator[Relation]:
    """What its rules want, those that hold where it is on."""
    is_on = holds(standing.condition)
    for rule in standing.rules:
        if not is_on or rule.condition is None or holds(rule.condition):
            yield from (*rule.require, *rule.want)


def _nobody_offers(
    system: System, standing: Standing, here: Iterable[Selected], holds: Holds
) -> tuple[str, ...]:
    """What it wants now, and neither a repository offers nor anybody has."""
    if not holds(standing.condition):
        return ()
    asked = {relation.name for relation in _named_by(standing, holds)} - {one.metadata.name for one in here}
    unknown = [name for name in sorted(asked) if not candidates.providers_of(system.offers, name)]
    provided = {one.name for selected in here for one in selected.metadata.relations.provides} if unknown else set()
    return tuple(name for name in unknown if name not in provided)


def _would_bring(
    system: System, standing: Standing, here: Iterable[Selected], holds: Holds
) -> tuple[Brought, ...]:
    """What its rules name and nobody has: of each name the first on offer."""
    there = {one.metadata.name for one in here}
    found = dict[str, Brought]()
    for relation in _named_by(standing, holds):
        if relation.name not in there and relation.name not in found:
            for candidate in _first_on_offer(system, relation.name, there):
                size = candidate.installed_size or candidate.stone_size
                found[relation.name] = Brought(candidate.metadata.name, candidate.metadata.label, size)
    return tuple(found.values())
