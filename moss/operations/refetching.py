"""What is on record and not all in the store, because it was left out: it is fetched again from who offers it."""

from collections.abc import Sequence

from moss.db import candidates, cuts
from moss.db.packages import known_row
from moss.db.repositories import repositories
from moss.errors import NotFound
from moss.generation import PackageId
from moss.operations.system import System
from moss.path_filter import PathFilter
from moss.plan import Chosen, Refetch
from moss.repository import Candidate

_MOST_NAMED = 12


def refetched(system: System, chosen: Sequence[Chosen], path_filter: PathFilter) -> tuple[Refetch, ...]:
    """Those of the packages of whose files the store lacks some that this filter leaves in, each with who offers it.

    NotFound, naming them, where nobody does.
    """
    known: dict[PackageId, Chosen] = {}
    for one in chosen:
        row = known_row(system.record, one)
        if row is not None:
            known[row] = one
    found: list[Refetch] = []
    nowhere: list[str] = []
    for row, missing in cuts.incomplete(system.record, known, path_filter).items():
        one = known[row]
        candidate = one.candidate or _offer(system, one)
        if candidate is None:
            nowhere.append(one.metadata.label)
        else:
            found.append(Refetch(one, candidate, missing))
    if nowhere:
        raise _gone(nowhere)
    return tuple(found)


def _offer(system: System, chosen: Chosen) -> Candidate | None:
    """The same package as an enabled repository offers it."""
    enabled = {repository.name for repository in repositories(system.record) if repository.enabled}
    return next(
        (
            one for one in candidates.by_name(system.offers, chosen.name)
            if one.repository in enabled and one.candidate_key == chosen.candidate_key
        ),
        None,
    )  # fmt: skip


def _gone(labels: Sequence[str]) -> NotFound:
    named = ", ".join(labels[:_MOST_NAMED])
    more = f" and {len(labels) - _MOST_NAMED} more" if len(labels) > _MOST_NAMED else ""
    return NotFound(
        "files that were left out are not here any more, and no repository offers them",
        because=[f"they are of {named}{more}"],
        remedies=[
            "moss repo update",
            "go on leaving them out",
            "moss update, for versions that are on offer",
            "take a bundle that has them: moss sync --from FILE",
        ],
    )
