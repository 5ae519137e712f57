"""What this machine's own apt uses, as repositories: each place once, with the keys that vouch for it."""

import os
import re
from collections.abc import Callable, Iterator

from moss.architecture import native_architecture
from moss.debian.clear_signed import dearmored
from moss.debian.machine_sources import MachineSource, parse_sources
from moss.debian.source import PREFIX, debian_architecture
from moss.effects import as_moss_error
from moss.errors import NotFound
from moss.operations.repositories import Narrowing
from solver.values import replace, value

_NETWORK = ("http://", "https://")
_LIST_OF_MIRRORS = "mirror+file:"
_FOR_EVER = 36_500
"""Days."""
_NO_NAME = re.compile(r"[^a-zA-Z0-9._-]+|^[^a-zA-Z0-9]+")


@value
class Source:
    """Where packages are to come from."""

    name: str
    uri: str
    trust: str | None = None
    unsigned: bool = False
    narrowing: Narrowing = Narrowing()
    keys: bytes = b""
    """A keyring that is in no file yet, to be used in place of `trust`."""
    mirrors: tuple[str, ...] = ()
    max_staleness: int | None = None
    written_in: str = ""
    """The file of apt's, where it came from one."""


def machine_sources(directory: str, leave_out: Callable[[str], None]) -> list[Source]:
    """A repository for each place that apt uses. `leave_out` is told, in a sentence, what cannot be one.

    NotFound where nothing is left, or a keyring is not there. CorruptData.
    """
    found: list[Source] = []
    for said in _together(_machines(directory)):
        why = _why_not(said)
        if why:
            leave_out(f"{said.uri} of {said.written_in} is left out: {why}")
        else:
            found.append(_source(said, {one.name for one in found}))
    if not found:
        raise NotFound(
            f"{directory} names no mirror that could be used",
            remedies=["name the mirror: --from apt+https://HOST/debian --suite NAME --component main"],
        )
    return found


def _machines(directory: str) -> Iterator[MachineSource]:
    paths = [os.path.join(directory, "sources.list")]
    more = os.path.join(directory, "sources.list.d")
    if os.path.isdir(more):
        paths += [os.path.join(more, name) for name in sorted(os.listdir(more))]
    for path in paths:
        if path.endswith((".list", ".sources")) and os.path.isfile(path):
            yield from parse_sources(_text(path), path)


def _together(all_said: Iterator[MachineSource]) -> list[MachineSource]:
    """What differs in its suites alone is one."""
    found: dict[MachineSource, list[str]] = {}
    for said in all_said:
        suites = found.setdefault(replace(said, suites=()), [])
        suites += [suite for suite in said.suites if suite not in suites]
    return [replace(said, suites=tuple(suites)) for said, suites in found.items()]


def _why_not(said: MachineSource) -> str:
    """Empty where it can be a repository."""
    native = debian_architecture(native_architecture())
    if not said.uri.startswith((*_NETWORK, _LIST_OF_MIRRORS, "file:")):
        return "moss fetches nothing from such a place"
    if any(suite.endswith("/") for suite in said.suites):
        return "it has no suites, only a folder"
    if said.architectures and native not in said.architectures:
        return f"it is for {', '.join(said.architectures)}"
    if said.key_ids:
        return f"its keys are named by fingerprints; name a keyring's file in Signed-By in place of {said.key_ids[0]}"
    if said.uri.startswith("file:") and not (said.trusted or said.keyrings or said.keys):
        return "no keyring is named for it (Signed-By)"
    return ""


def _source(said: MachineSource, names: set[str]) -> Source:
    uris = [said.uri]
    if said.uri.startswith(_LIST_OF_MIRRORS):
        path = "/" + said.uri.removeprefix(_LIST_OF_MIRRORS).lstrip("/")
        uris = [words[0] for line in _text(path).splitlines() if (words := line.partition("#")[0].split())]
        if not uris or not all(uri.startswith(_NETWORK) for uri in uris):
            raise NotFound(f"{path} names no mirrors on the network", remedies=[f"look at it: {said.written_in}"])
    one_file = said.keyrings[0] if len(said.keyrings) == 1 and not said.keys else None
    return Source(
        _name(uris[0], names),
        f"{PREFIX}{uris[0]}",
        None if said.trusted else one_file,
        said.trusted,
        Narrowing(suites=said.suites, components=said.components),
        b"" if said.trusted or one_file else _keys(said),
        tuple(uris[1:]),
        None if said.expires or said.trusted else _FOR_EVER,
        said.written_in,
    )


def _keys(said: MachineSource) -> bytes:
    """All that is named for it, in one keyring."""
    keys = dearmored(said.keys.encode(), said.written_in) if said.keys else b""
    for path in said.keyrings:
        if not os.path.isfile(path):
            raise NotFound(f"the keyring {path} of {said.written_in} is not there", remedies=["see sources.list(5)"])
        with as_moss_error(f"read {path}"), open(path, "rb") as file:
            keys += dearmored(file.read(), path)
    return keys


def _name(uri: str, taken: set[str]) -> str:
    """The last part of its URI, and a number where another has that name."""
    plain = _NO_NAME.sub("", uri.rstrip("/").rpartition("/")[2])[:48] or "apt"
    names = (plain, *(f"{plain}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def _text(path: str) -> str:
    with as_moss_error(f"read {path}"), open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
