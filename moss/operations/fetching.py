"""Files for a plan: from this machine where they lie, from servers into the cache, all of them verified.

What comes over the network stays in the cache until upkeep finds it in the store, or on offer nowhere: a command
that ends early goes on where it was.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import BinaryIO

from moss.db import candidates
from moss.db.repositories import repositories
from moss.errors import NetworkFailure
from moss.fetch.files import Wanted, fetch_files
from moss.fetch.uris import NETWORK, scheme_of
from moss.operations.places import package_uris
from moss.operations.system import System
from moss.plan import Chosen

_NAMED = 5
"""Of many packages that cannot be fetched, so many are named."""


def fetch(system: System, wanted: Sequence[Wanted], noun: str, open_files: ExitStack) -> list[BinaryIO]:
    """Files, verified and open, in their order; those from servers are kept in the cache."""
    far = [one for one in wanted if any(scheme_of(uri) in NETWORK for uri in one.uris)]
    here = set(os.listdir(system.root.downloads)) if far and os.path.isdir(system.root.downloads) else set()
    lacking = [one for one in far if one.digest not in here and scheme_of(one.uris[0]) in NETWORK]
    if lacking and system.transport.is_offline:
        raise _offline(lacking)
    if far and not os.path.isdir(system.root.downloads):
        system.effects.mkdir(system.root.downloads, 0o700)
    doing = "fetching" if lacking else "checking"
    many = len(lacking or wanted)
    system.reporter.stage(f"{doing} {many} {noun if many == 1 else noun + 's'}")
    files = fetch_files(
        wanted,
        system.root.downloads,
        transport=system.transport,
        effects=system.effects,
        reporter=system.reporter,
    )
    for file in files:
        open_files.enter_context(file)
    return files


def as_offered(system: System, missing: Sequence[Chosen]) -> list[Wanted]:
    """Where the repositories have these packages, and what must come from there."""
    known = {repository.name: repository for repository in repositories(system.record)}
    revisions = {revision.repository: revision for revision in candidates.revisions(system.offers)}
    wanted = []
    for chosen in missing:
        candidate = chosen.candidate
        assert candidate is not None, f"{chosen.name} is neither in the store nor on offer"
        name = candidate.repository
        uris = package_uris(known[name], revisions.get(name), candidate)
        wanted.append(Wanted(uris[0], uris, candidate.digest, candidate.stone_size))
    return wanted


def fetch_debs(system: System, missing: Sequence[Chosen]) -> dict[str, Chosen]:
    """Debian packages from mirrors on the network, verified, by their paths in the cache."""
    wanted = as_offered(system, missing)
    with ExitStack() as files:
        fetch(system, wanted, "package", files)
    return {
        os.path.join(system.root.downloads, one.digest): chosen for chosen, one in zip(missing, wanted, strict=True)
    }


def _offline(lacking: Sequence[Wanted]) -> NetworkFailure:
    named = [f"{os.path.basename(one.uris[0])}, {one.size} bytes" for one in lacking[:_NAMED]]
    more = len(lacking) - _NAMED
    return NetworkFailure(
        f"{len(lacking)} of the packages are not here, and --offline was said",
        because=[*named, *([f"and {more} more"] if more > 0 else [])],
        remedies=["say it without --offline", "bring them in a bundle: moss export, moss sync --from"],
    )
