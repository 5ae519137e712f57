"""Which subscriptions a system has: what they mean, from the admin's files and from repositories, and how each stands.

    /etc/moss/subscriptions/*.kdl  +  what repositories say   ->  definitions   the admin's win by name, then
                                   +  what a bundle said                        the higher priority, then the bundle's
    definitions + the model + facts                           ->  in force      moss.in_force
"""

import os
from collections.abc import Iterable, Sequence

from moss.capability import Capability
from moss.db import candidates
from moss.db import definitions as offered
from moss.db.repositories import repositories
from moss.definition_files import files_of_definitions, read_text
from moss.errors import NotFound, UsageError
from moss.facts import Fact
from moss.in_force import ALWAYS, NEVER, Holds, InForce, asks_for_facts, in_force, shapes_text
from moss.model import SystemModel
from moss.operations.facts import facts_of
from moss.operations.system import System
from moss.path_filter import PathFilter
from moss.subscription import Definition, near_names
from solver import Formula, Problem
from solver.values import value

_BUNDLE = "bundle that was taken last"


@value
class Known:
    """What subscriptions mean on this system."""

    definitions: tuple[Definition, ...]
    """By name, each name once."""
    warnings: tuple[str, ...] = ()
    """Sentences: what repositories say that cannot be read."""


def subscriptions_of(system: System, model: SystemModel) -> tuple[InForce, tuple[str, ...]]:
    """What is in force with this model, and sentences of what could not be taken as it stands.

    UsageError where a file of the admin's cannot be read, telling the place.
    """
    known = known_definitions(system)
    if not (known.definitions or model.switches):
        return in_force((), (), ()), known.warnings
    facts: tuple[Fact, ...] = facts_of(system) if asks_for_facts(known.definitions) else ()
    found = in_force(model.switches, known.definitions, facts)
    return found, (*known.warnings, *_notes(found))


def omissions_of(found: InForce, problem: Problem, keys: Iterable[str]) -> PathFilter:
    """What a generation of these packages leaves out."""
    return found.omissions(judge(problem, keys))


def judge(problem: Problem, keys: Iterable[str]) -> Holds:
    """Whether conditions hold with these packages. Only where one is about packages they are looked at."""
    known: list[Holds] = []

    def holds(formula: Formula) -> bool:
        if formula in (ALWAYS, NEVER):
            return formula == ALWAYS
        if not known:
            from solver import holding

            known.append(holding(problem, keys))
        return known[0](formula)

    return holds


def known_definitions(system: System) -> Known:
    """The definitions that count. UsageError for a broken file of the admin's."""
    found = {one.name: one for one in _of_the_admin(system)}
    others = _of_others(system)
    warnings: list[str] = []
    if not others:
        return Known(tuple(found[name] for name in sorted(found)))
    from moss.definitions import parse_definitions  # hardly any system has some, and reading KDL is much to load

    for origin, name, text in others:
        try:
            read = parse_definitions(text, name, origin)
        except UsageError as fault:
            warnings.append(f"definitions of the {origin} are left aside: {fault.message}")
            continue
        for one in read:
            found.setdefault(one.name, one)
    return Known(tuple(found[name] for name in sorted(found)), tuple(warnings))


def definition_texts(system: System) -> tuple[tuple[str, str], ...]:
    """All that is known of what subscriptions mean, for another system: files and texts, the admin's first. UsageError
    for a file of the admin's that is no text."""
    admin = [(f"admin/{os.path.basename(path)}", read_text(path)) for path in _admins_files(system)]
    return (*admin, *((name, text) for _, name, text in _of_others(system)))


def _of_others(system: System) -> list[tuple[str, str, str]]:
    """Origins, files and texts of repositories, by precedence, and after them of the bundle that was taken last."""
    texts = offered.texts_of(system.offers)
    found = list[tuple[str, str, str]]()
    if texts:
        enabled = [one for one in repositories(system.record) if one.enabled]
        for repository in sorted(enabled, key=lambda one: (-one.priority, one.name)):
            origin = f"repository {repository.name}"
            found += [(origin, f"{repository.name}/{name}", text) for name, text in texts.get(repository.name, ())]
    return [*found, *((_BUNDLE, name, text) for name, text in offered.carried(system.record))]


def checked_name(system: System, name: str, known: Known) -> str:
    """A subscription's name, or a capability as moss writes it. NotFound, with near names, for another text."""
    if any(one.name == name for one in known.definitions):
        return name
    if "(" in name:
        return str(Capability.parse(name))
    near = near_names(name, [one.name for one in known.definitions])
    remedies = [f"moss subscribe {one}" for one in near]
    if candidates.by_name(system.offers, name):
        remedies.append(f"moss install {name}")
    because = [] if known.definitions else ["nobody defines any: no repository, and no file in /etc/moss/subscriptions"]
    raise NotFound(
        f"there is no subscription {name}",
        because=because,
        remedies=[*remedies, "moss subscriptions"],
    )


def _meant(name: str, known: Sequence[str]) -> str:
    near = near_names(name, known)
    return f" (is {near[0]} meant?)" if near else ""


def _admins_files(system: System) -> list[str]:
    return files_of_definitions(system.root.subscriptions)


def _of_the_admin(system: System) -> list[Definition]:
    """Of every file, by the files' names; hidden ones are half-written, or others'."""
    paths = _admins_files(system)
    if not paths:
        return []
    from moss.definitions import parse_definitions

    found: dict[str, Definition] = {}
    for path in paths:
        for one in parse_definitions(read_text(path), path, path):
            if one.name in found:
                raise UsageError(
                    f"{path}: the subscription {one.name} is defined in {found[one.name].origin} too",
                    remedies=["leave one of the two"],
                )
            found[one.name] = one
    return list(found.values())


def _notes(found: InForce) -> list[str]:
    names = [one.name for one in found.standings]
    notes = [
        f"nobody defines the subscription {one.name} that you set{_meant(one.name, names)}: it does nothing;"
        f" moss unsubscribe {one.name} forgets it"
        for one in found.unknown
    ]
    notes += [
        f"{', '.join(one.odd_values)} cannot be a value of the subscription {one.name} and does not count:"
        f" {shapes_text(one.definition)}"
        for one in found.standings
        if one.odd_values
    ]
    if found.circular:
        places = {one.name: one.definition.place for one in found.standings}
        circle = ", ".join(f"{name} ({places[name]})" for name in found.circular)
        notes.append(f"these subscriptions hang on each other in a circle, and none is on by it: {circle}")
    notes += [f"a condition of the subscription {name} is too large and never holds" for name in found.too_large]
    return notes
