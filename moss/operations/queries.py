"""Looking: what is installed, what is on offer, which generations there are. Nothing here changes anything."""

import os
from collections.abc import Iterable

from moss.capability import Capability
from moss.db import candidates, generations
from moss.db.repositories import repositories
from moss.errors import NotFound
from moss.generation import Generation, JournalEntry, Selected, Status
from moss.operations.system import System
from moss.plan import Difference, as_chosen, difference
from moss.repository import Candidate
from moss.root import GenerationId, generation_of_tree
from solver.values import value
from solver.version import compare


@value
class GenerationSummary:
    """A generation as a list shows it."""

    generation: Generation
    active: bool
    previous: bool
    """Whether `rollback` goes there."""
    package_count: int
    has_tree: bool
    kept_as: str | None = None
    """The name under which the person keeps it."""
    pending: bool = False
    """Whether the next boot is to switch to it."""
    failed_boot: bool = False
    """Whether it was booted and did not come up."""


@value
class Update:
    """A newer version of an installed package."""

    installed: Selected
    newest: Candidate


@value
class PackageDetails:
    """All that is known of the packages of one name."""

    name: str
    installed: tuple[Selected, ...]
    offered: tuple[Candidate, ...]


def installed(system: System) -> list[Selected]:
    """The active generation's packages, by name."""
    return generations.selection_of(system.record, system.active)


def available(system: System) -> list[Candidate]:
    """Everything the enabled repositories offer, by name."""
    return list(candidates.all_of(system.offers, _enabled(system)))


def updates(system: System) -> list[Update]:
    """Installed packages of which an enabled repository has a newer version.

    Versions of different schemes are not compared; a repository of higher priority wins.
    """
    found: list[Update] = []
    for selected in installed(system):
        newest = _newest(system, selected.metadata.name)
        if newest is None or newest.candidate_key == selected.candidate_key:
            continue
        old, new = selected.metadata, newest.metadata
        same_order = old.scheme is new.scheme
        if not same_order or compare(old.scheme, new.ordered_version, old.ordered_version) > 0:
            found.append(Update(selected, newest))
    return found


def package_details(system: System, name: str) -> PackageDetails:
    """NotFound, with near names, when nothing of that name is installed or on offer."""
    here = tuple(selected for selected in installed(system) if selected.metadata.name == name)
    offered = tuple(one for one in candidates.by_name(system.offers, name) if one.repository in _enabled(system))
    if not here and not offered:
        raise unknown_package(system, name)
    return PackageDetails(name, here, offered)


def providers(system: System, text: str) -> list[Candidate]:
    """Who on offer provides this capability, by name. UsageError when it is none."""
    capability = str(Capability.parse(text))
    return [one for one in candidates.providers_of(system.offers, capability) if one.repository in _enabled(system)]


def unknown_package(system: System, name: str) -> NotFound:
    """What to say of a name that no enabled repository has: near names, and who has such a program."""
    if name.endswith((".stone", ".deb")):
        return _file_as_package(name)
    remedies = [f"moss info {near}" for near in near_names(system, name)]
    remedies += [f"moss install {one.metadata.name}" for one in providers(system, f"binary({name})")[:3]]
    known = repositories(system.record)
    read = {revision.repository for revision in candidates.revisions(system.offers)}
    unread = [repository.name for repository in known if repository.enabled and repository.name not in read]
    because = [f"what {repository} offers has not been read" for repository in unread]
    if ":" in name:
        from moss.operations.second_architecture import why_not_there  # few names have one

        why, commands = why_not_there(system, name)
        because, remedies = [*because, *why], [*commands, *remedies]
    if unread:
        remedies.append("moss repo update")
    if not known:
        remedies.append("moss repo add NAME URI")
    return NotFound(f"there is no package {name}", because=because, remedies=remedies or ["moss search WORD"])


def _file_as_package(file: str) -> NotFound:
    is_stone = file.endswith(".stone")
    stones = (os.path.dirname(file) or ".") if is_stone else "STONES"
    steps = [*([] if is_stone else [f"moss convert {file} -o {stones}"]), f"moss index {stones}"]
    return NotFound(
        f"there is no package {file}",
        because=["packages are installed from repositories, not from files; a directory of stones can be one"],
        remedies=[" && ".join([*steps, f"moss repo add NAME {stones}/stone.index --unsigned"])],
    )


def near_names(system: System, name: str) -> list[str]:
    """Names that the person may have meant."""
    import difflib  # only for someone who mistyped

    return difflib.get_close_matches(name, candidates.names(system.offers), n=3, cutoff=0.7)


def summaries(system: System) -> list[GenerationSummary]:
    """Every generation that can be activated, oldest first."""
    from moss.db import trees  # proposing asks here too, and for no history
    from moss.db.boot import failed_generations
    from moss.operations.previous import previous_generation

    active, previous = system.active, previous_generation(system)
    names, pending = trees.kept_names(system.record), trees.pending(system.record)
    failed = failed_generations(system.record)
    return [
        GenerationSummary(
            generation,
            active=generation.id == active,
            previous=generation.id == previous,
            package_count=generations.package_count(system.record, generation.id),
            has_tree=_has_tree(system, generation.id),
            kept_as=names.get(generation.id),
            pending=generation.id == pending != active,
            failed_boot=generation.id in failed,
        )
        for generation in generations.generations(system.record)
        if generation.status is Status.COMPLETE
    ]


def generation_packages(system: System, number: GenerationId) -> tuple[Generation, list[Selected]]:
    """NotFound when there is no such generation."""
    generation = generations.generation(system.record, number)
    if generation is None:
        raise NotFound(f"there is no generation {number}", remedies=["moss state list"])
    if generation.status is Status.REMOVED:
        return generation, []  # what the record still has under its number is about the spare tree
    return generation, generations.selection_of(system.record, number)


def difference_between(system: System, old: GenerationId, new: GenerationId) -> Difference:
    """What changed from one generation to another; NotFound when one of them is not on record."""
    _, before = generation_packages(system, old)
    _, after = generation_packages(system, new)
    return difference(before, map(as_chosen, after))


def history(system: System) -> list[JournalEntry]:
    """Every transaction, oldest first."""
    from moss.db import journal  # only history asks for it

    return journal.entries(system.record)


def _has_tree(system: System, number: GenerationId) -> bool:
    from moss.operations.previous import is_archived  # as above

    if number == system.active:
        return generation_of_tree(system.root.usr) == number
    return is_archived(system, number)


def _enabled(system: System) -> list[str]:
    return [repository.name for repository in repositories(system.record) if repository.enabled]


def _newest(system: System, name: str) -> Candidate | None:
    priorities = {one.name: one.priority for one in repositories(system.record) if one.enabled}
    offered = [one for one in candidates.by_name(system.offers, name) if one.repository in priorities]
    if not offered:
        return None
    best = max(priorities[one.repository] for one in offered)
    return _highest(one for one in offered if priorities[one.repository] == best)


def _highest(offered: Iterable[Candidate]) -> Candidate | None:
    highest: Candidate | None = None
    for one in offered:
        if highest is None or (
            one.metadata.scheme is highest.metadata.scheme
            and compare(one.metadata.scheme, one.metadata.ordered_version, highest.metadata.ordered_version) > 0
        ):
            highest = one
    return highest
