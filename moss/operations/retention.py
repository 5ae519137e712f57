"""Which generations stay: keeping them by name, and giving them up on purpose.

`propose_…` says what would go and what that frees, from the record alone; `retire` does it. Neither
touches the active generation, one that the person keeps, or a tree that something still uses.
"""

from collections.abc import Sequence

from moss.busy import user_of
from moss.db import generations, settings, trees
from moss.db.freeing import Freed, freed_with
from moss.effects import as_moss_error
from moss.errors import MossError, NotFound, UsageError
from moss.generation import Generation, Status
from moss.operations.menu import take_from_menu
from moss.operations.previous import previous_generation
from moss.operations.system import System
from moss.operations.upkeep import collect, give_up, kept_count
from moss.root import GenerationId
from moss.store import Store
from solver.values import value


@value
class Retirement:
    """What giving up generations would do."""

    going: tuple[Generation, ...]
    freed: Freed
    loses_rollback: bool
    """Whether the generation that `rollback` goes to is among them."""
    kept: tuple[tuple[GenerationId, str], ...] = ()
    """Generations older than those that go which stay all the same, and why."""
    remember: int | None = None
    """How many upkeep keeps from now on; None: as before."""


@value
class Retired:
    """What came of it."""

    given_up: tuple[GenerationId, ...]
    freed_bytes: int


def propose_removal(system: System, numbers: Sequence[GenerationId]) -> Retirement:
    """Give up these. Every number that cannot go is told at once: NotFound, or MossError with the reasons."""
    wanted = sorted(set(numbers))
    found = [_known(system, number) for number in wanted]
    reasons = [reason for number in wanted if (reason := _why_it_stays(system, number)) is not None]
    if reasons:
        raise MossError("these generations cannot be removed", because=reasons, remedies=["moss state list"])
    return _retirement(system, found)


def propose_pruning(system: System, keep: int | None = None, *, remember: bool = False) -> Retirement:
    """Give up all beyond the newest `keep` (or as many as are set), but never the one `rollback` goes to."""
    if remember and keep is None:
        raise UsageError("--remember needs a number", remedies=["moss state prune --keep 5 --remember"])
    count = keep or kept_count(system)
    due = trees.prunable(system.record, count, [])
    kept = [(number, reason) for number in due if (reason := _why_it_stays(system, number)) is not None]
    previous = previous_generation(system)
    kept += [(number, "rollback goes there") for number in due if number == previous]
    staying = {number for number, _ in kept}
    kept += [(number, f"kept as {name}") for number, name in trees.kept_names(system.record).items()]
    found = [_known(system, number) for number in due if number not in staying]
    return _retirement(system, found, tuple(sorted(set(kept))), keep if remember else None)


def retire(system: System, retirement: Retirement) -> Retired:
    """Do it. Interrupted anywhere, the next command's recovery removes what is left of the trees."""
    with as_moss_error("give up generations"), Store(system.root.store, system.effects) as store:
        if retirement.remember is not None:
            settings.set_retention(system.record, retirement.remember)
            system.effects.commit_point("retention set")
        take_from_menu(system, [generation.id for generation in retirement.going])
        for generation in retirement.going:
            give_up(system, generation.id)
        freed = collect(system, store)
    return Retired(tuple(generation.id for generation in retirement.going), freed)


def keep_generation(system: System, number: GenerationId, name: str | None) -> str:
    """Keep a generation whatever retention says; the name it is kept as. UsageError for one that is taken."""
    _known(system, number)
    chosen = f"generation {number}" if name is None else name.strip()
    if not chosen:
        raise UsageError("the name is empty", remedies=[f"moss state keep {number}"])
    for other, taken in trees.kept_names(system.record).items():
        if taken == chosen and other != number:
            raise UsageError(
                f"generation {other} is kept as {chosen} already",
                remedies=["use another name", f"moss state unkeep {other}"],
            )
    trees.keep(system.record, number, chosen)
    system.effects.commit_point("generation kept")
    return chosen


def unkeep_generation(system: System, number: GenerationId) -> str:
    """Let retention decide again; the name it was kept as. NotFound when it was not kept."""
    _known(system, number)
    name = trees.kept_names(system.record).get(number)
    if name is None:
        raise NotFound(f"generation {number} is not kept by name", remedies=["moss state list"])
    trees.keep(system.record, number, None)
    system.effects.commit_point("generation no longer kept")
    return name


def _known(system: System, number: GenerationId) -> Generation:
    found = generations.generation(system.record, number)
    if found is None or found.status is not Status.COMPLETE:
        raise NotFound(f"there is no generation {number}", remedies=["moss state list"])
    return found


def _why_it_stays(system: System, number: GenerationId) -> str | None:
    if number == system.active:
        return f"generation {number} is active"
    if number == trees.pending(system.record):
        return f"generation {number} is left to the next boot: moss state activate {system.active} --at-boot drops that"
    kept = trees.kept_names(system.record).get(number)
    if kept is not None:
        return f"generation {number} is kept as {kept}: moss state unkeep {number}"
    user = user_of(system.root.archive(number))
    return None if user is None else f"generation {number} is in use by {user}"


def _retirement(
    system: System,
    found: Sequence[Generation],
    kept: tuple[tuple[GenerationId, str], ...] = (),
    remember: int | None = None,
) -> Retirement:
    numbers = [generation.id for generation in found]
    return Retirement(
        tuple(found),
        freed_with(system.record, numbers),
        previous_generation(system) in numbers,
        kept,
        remember,
    )
