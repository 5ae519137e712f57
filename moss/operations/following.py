"""Repositories as an edited system model names them: what must be added, removed and said anew, and doing that."""

from collections.abc import Sequence

from moss.db.repositories import repositories
from moss.errors import UsageError
from moss.model_text import StatedRepository, as_stated, uri_of
from moss.operations.refreshing import merge_offers
from moss.operations.repositories import add_repository, remove_repository, set_enabled, set_priority
from moss.operations.system import System
from solver.values import value


@value
class RepositoryChanges:
    """By name, in the order of the model."""

    add: tuple[StatedRepository, ...] = ()
    remove: tuple[str, ...] = ()
    adjust: tuple[StatedRepository, ...] = ()
    """Another priority, or enabled or not."""

    @property
    def is_empty(self) -> bool:
        return not (self.add or self.remove or self.adjust)


def changes_of(system: System, stated: Sequence[StatedRepository]) -> RepositoryChanges:
    """What makes the record say what the model does. UsageError for a repository of which something changes that
    only the person can say again: where it is, and who vouches for it."""
    there = {one.name: as_stated(one) for one in repositories(system.record)}
    add, adjust = [], []
    for one in stated:
        known = there.pop(one.name, None)
        if known is None:
            add.append(one)
            continue
        if uri_of(one) != uri_of(known) or (one.unsigned, one.trust) != (known.unsigned, known.trust):
            raise UsageError(
                f"{system.root.model_file} says another place or another trust of the repository {one.name}",
                because=[f"it is {uri_of(known)} here"],
                remedies=[f"moss repo remove {one.name}, then moss sync", f"moss repo trust {one.name} --help"],
            )
        if (one.priority, one.enabled) != (known.priority, known.enabled):
            adjust.append(one)
    return RepositoryChanges(tuple(add), tuple(there), tuple(adjust))


def follow(system: System, changes: RepositoryChanges) -> None:
    """Do it, one by one; what fails leaves the rest undone, and the next `sync` goes on. The model's text, which
    says so, stays as it is."""
    for name in changes.remove:
        remove_repository(system, name, tell_model=False, merge=False)
    for one in changes.add:
        add_repository(
            system,
            one.name,
            uri_of(one),
            priority=one.priority,
            trust=one.trust or None,
            unsigned=one.unsigned,
            max_staleness=one.max_staleness or None,
            tell_model=False,
            merge=False,
        )
        if not one.enabled:
            set_enabled(system, one.name, enabled=False, tell_model=False, merge=False)
    for one in changes.adjust:
        set_priority(system, one.name, one.priority, tell_model=False, merge=False)
        set_enabled(system, one.name, enabled=one.enabled, tell_model=False, merge=False)
    if not changes.is_empty:
        merge_offers(system)
