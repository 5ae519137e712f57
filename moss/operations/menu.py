"""The boot menu in a transaction: checked before anything is written, right before a tree is switched to or goes.

Most systems are not booted: what a menu takes is loaded only where there is one, and always before /usr is
exchanged, since every changing command begins with recovery, which settles it.
"""

from collections.abc import Collection
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from moss.db import boot
from moss.db.trees import next_to_boot
from moss.operations.system import System
from moss.root import GenerationId
from moss.store import Store

if TYPE_CHECKING:
    from moss.boot.place import BootPlace


def has_menu(system: System) -> bool:
    """Whether moss keeps boot entries for this system."""
    return _kept(system) is not None


def check_menu(system: System, first: GenerationId | None, staged: GenerationId | None = None) -> None:
    """Refuse what the boot partition could not follow: `first` booting first, an entry for `staged` as well."""
    kept = _kept(system)
    if kept is not None:
        with Store(system.root.store, system.effects) as store:
            kept.keeping.propose(system.root, system.record, store, kept.place, first, staged=staged)


def add_to_menu(system: System, staged: GenerationId) -> None:
    """Give a generation whose tree is complete its entry; it comes behind the one that boots until it is live, or
    is to be."""
    kept = _kept(system)
    if kept is not None:
        with Store(system.root.store, system.effects) as store:
            first = next_to_boot(system.record)
            proposed = kept.keeping.propose(system.root, system.record, store, kept.place, first, staged=staged)
            kept.keeping.apply(proposed, store, system.effects)


def take_from_menu(system: System, leaving: Collection[GenerationId]) -> None:
    """Take the entries of generations out, before their trees go. MossError where that cannot be done."""
    kept = _kept(system) if leaving else None
    if kept is not None:
        first = next_to_boot(system.record)
        with Store(system.root.store, system.effects) as store:
            kept.keeping.update(system.root, system.record, store, system.effects, first, leaving=leaving)


class _Kept(NamedTuple):
    keeping: ModuleType
    """moss.boot.keeping."""
    place: "BootPlace"


def _kept(system: System) -> _Kept | None:
    """What keeps this system's boot menu, and where it is; None where it has none."""
    if boot.said_place(system.record) is None and not system.root.is_host:
        return None
    from moss.boot import keeping

    place = keeping.boot_place(system.root, system.record)
    return None if place is None else _Kept(keeping, place)
