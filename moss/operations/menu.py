"""The boot menu in a transaction: checked before anything is written, right before a tree is switched to or goes.

Most systems are not booted: what a menu takes is loaded only where there is one, and always before /usr is
exchanged, since every changing command begins with recovery, which settles it.
"""

from collections.abc import Collection

from moss.db import boot
from moss.db.trees import next_to_boot
from moss.operations.system import System
from moss.root import GenerationId
from moss.store import Store


def check_menu(system: System, first: GenerationId | None, staged: GenerationId | None = None) -> None:
    """Refuse what the boot partition could not follow: `first` booting first, an entry for `staged` as well."""
    if not _may_have_one(system):
        return
    from moss.boot import keeping

    place = keeping.boot_place(system.root, system.record)
    if place is not None:
        with Store(system.root.store, system.effects) as store:
            keeping.propose(system.root, system.record, store, place, first, staged=staged)


def add_to_menu(system: System, staged: GenerationId) -> None:
    """Give a generation whose tree is complete its entry; it comes behind the one that boots until it is live, or
    is to be."""
    if not _may_have_one(system):
        return
    from moss.boot import keeping

    place = keeping.boot_place(system.root, system.record)
    if place is not None:
        with Store(system.root.store, system.effects) as store:
            first = next_to_boot(system.record)
            proposed = keeping.propose(system.root, system.record, store, place, first, staged=staged)
            keeping.apply(proposed, store, system.effects)


def has_menu(system: System) -> bool:
    """Whether moss keeps boot entries for this system."""
    if not _may_have_one(system):
        return False
    from moss.boot import keeping

    return keeping.boot_place(system.root, system.record) is not None


def take_from_menu(system: System, leaving: Collection[GenerationId]) -> None:
    """Take the entries of generations out, before their trees go. MossError where that cannot be done."""
    if not leaving or not _may_have_one(system):
        return
    from moss.boot import keeping

    with Store(system.root.store, system.effects) as store:
        keeping.update(
            system.root, system.record, store, system.effects, next_to_boot(system.record), leaving=leaving
        )


def _may_have_one(system: System) -> bool:
    return boot.said_place(system.record) is not None or system.root.is_host
