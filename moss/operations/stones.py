"""Stones for a plan, whoever offers its packages: repositories of stones, or Debian's, whose packages are converted."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from moss.db.repositories import repositories
from moss.debian.source import PREFIX as APT
from moss.fetch.files import Wanted
from moss.fetch.uris import uri_of_path
from moss.operations.fetching import as_offered, fetch
from moss.operations.open_files import allow_open_files
from moss.operations.system import System
from moss.plan import Chosen
from moss.unpack import Fetched

if TYPE_CHECKING:
    from moss.foreign.convert import Converted


def fetch_stones(system: System, missing: Sequence[Chosen], open_files: ExitStack) -> list[Fetched]:
    """The stones of these packages, verified and open, in their order. NetworkFailure, NotFound, CorruptData."""
    if not missing:
        return []
    allow_open_files(len(missing))
    made = _made_of_debs(system, missing, open_files)
    offered = iter(as_offered(system, [one for one in missing if one.candidate_key not in made]))
    wanted = [made[one.candidate_key] if one.candidate_key in made else next(offered) for one in missing]
    files = fetch(system, wanted, "package", open_files)
    return [
        Fetched(chosen, file, one.name, one.digest, one.size)
        for chosen, file, one in zip(missing, files, wanted, strict=True)
    ]


def _made_of_debs(system: System, missing: Sequence[Chosen], open_files: ExitStack) -> Mapping[str, Wanted]:
    """The stones of what Debian mirrors offer, by candidate key."""
    uris = {repository.name: repository.uri for repository in repositories(system.record)}
    if not any(one.candidate and uris[one.candidate.repository].startswith(APT) for one in missing):
        return {}
    from moss.operations.converting import converted  # a second package system: only where it is used

    stones = open_files.enter_context(converted(system, list(missing), uris))
    return {key: _as_wanted(stone) for key, stone in stones.items()}


def _as_wanted(made: "Converted") -> Wanted:
    uri = uri_of_path(made.stone)
    return Wanted(uri, (uri,), made.digest, made.size)
