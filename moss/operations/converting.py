"""What is chosen from a Debian mirror becomes stones on the way into the store.

Each .deb is held to the size and SHA-256 that the index gives before anything in it is read; the stones
are made in the cache and go when the transaction has ended, whatever its end.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from moss.debian.companion import is_companion
from moss.debian.source import PREFIX, AptSource
from moss.errors import CorruptData, NotFound
from moss.fetch.verify import open_uri, verify
from moss.foreign.convert import Converted
from moss.foreign.convert_all import Failed, convert_all
from moss.foreign.notices import Notice, NoticeKind
from moss.operations.fetching import fetch_debs
from moss.operations.system import System
from moss.plan import Chosen
from moss.repository import Candidate

_TOLD_EACH = 3
"""More notices than these are told together."""


@contextmanager
def converted(system: System, missing: Sequence[Chosen], uris: Mapping[str, str]) -> Iterator[dict[str, Converted]]:
    """Stones of those packages that Debian mirrors offer: by candidate key.

    NotFound where the .deb is not there, CorruptData where it is another than the index says.
    """
    debs = _debs(system, missing, uris)
    directory = os.path.join(system.root.cache, "converted")
    shutil.rmtree(directory, ignore_errors=True)  # a crash may have left some
    try:
        stones: dict[str, Converted] = {}
        noticed: list[tuple[str, Notice]] = []
        if debs:
            system.reporter.stage(f"converting {len(debs)} packages")
        companions = {deb for deb, one in debs.items() if is_companion(one.metadata.name)}
        stones_made = convert_all(list(debs), directory, companions=companions) if debs else ()
        for number, done in enumerate(stones_made, 1):
            if isinstance(done, Failed):
                raise done.error
            wanted = debs[done.deb].candidate_key
            if done.metadata.source_digest != wanted:
                raise CorruptData(
                    f"changed while it was read: it is {done.metadata.source_digest}, wanted {wanted}",
                    file=done.deb,
                    remedies=["moss repo update", "mirror it again"],
                )
            noticed += [(debs[done.deb].metadata.label, notice) for notice in done.warnings]
            stones[wanted] = done
            system.reporter.progress(number, len(debs), "packages")
        _tell(system, noticed)
        yield stones
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _tell(system: System, noticed: Sequence[tuple[str, Notice]]) -> None:
    """What of the packages stayed behind: a few notices each, more of them by their kinds."""
    each = [f"{label}: {notice}" for label, notice in noticed]
    if len(each) <= _TOLD_EACH:
        for text in each:
            system.reporter.warning(text)
        return
    packages: dict[NoticeKind, set[str]] = {}
    for label, notice in noticed:
        packages.setdefault(notice.kind, set()).add(label)
    most_first = sorted(packages.items(), key=lambda one: -len(one[1]))
    kinds = ", ".join(f"{kind.of_many} ({len(of)} packages)" for kind, of in most_first)
    system.reporter.many_warnings(each, f"not all of Debian's packages is carried over: {kinds}; -v tells of each")


def _debs(system: System, missing: Sequence[Chosen], uris: Mapping[str, str]) -> dict[str, Chosen]:
    """By the path of its .deb, which is the one that the index lists: on this machine, or fetched into the cache."""
    found: dict[str, Chosen] = {}
    far: list[tuple[Chosen, AptSource]] = []
    for one in missing:
        if one.candidate is None or not uris[one.candidate.repository].startswith(PREFIX):
            continue
        source = AptSource.parse(uris[one.candidate.repository])
        if source.transport == "file":
            found[_verified(one.candidate, source)] = one
        else:
            far.append((one, source))
    if far:
        found |= fetch_debs(system, [one for one, _ in far])
    return found


def _verified(candidate: Candidate, source: AptSource) -> str:
    """The path of its .deb, which is the one that the index lists."""
    parts = candidate.uri.split("/")
    if candidate.uri.startswith("/") or ".." in parts:
        raise CorruptData(
            f"names the file {candidate.uri!r}, which is outside the mirror",
            file=str(source),
            remedies=["ask the mirror's maker"],
        )
    path = os.path.join(source.place, *parts)
    if not os.path.isfile(path):
        label = candidate.metadata.label
        raise NotFound(
            f"{label} cannot be fetched: {path} is not there",
            because=[
                f"the mirror at {source.place} lists the package and does not hold its file"
                if os.path.isdir(os.path.join(source.place, "dists"))
                else f"{source.place} is where apt keeps its lists: they say what there is and hold no packages"
            ],
            remedies=[
                f"apt-get download {candidate.metadata.name}={candidate.metadata.version} && moss convert *.deb",
                "moss index DIR && moss repo add NAME DIR/stone.index, with DIR the folder of these stones",
                "use a mirror that has its pool/ on this machine",
            ],
        )
    with open_uri("file://" + path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")) as file:
        verify(file, path, digest=candidate.digest, size=candidate.stone_size)
    return path
