"""One refresh of what a repository has signed, by the library's client workflow and moss's own transport.

The library works in a scratch directory, on a copy of what is trusted. What it verified is written back by
`keep`, durably and in the order in which it was verified, whether the refresh ended well or not: nothing
older than what was once verified is ever taken again.
"""

import io
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import IO, Any

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata, Root, TargetFile
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from moss.effects import Effects
from moss.errors import MossError, NetworkFailure, NotFound, TrustFailure
from moss.fetch.transport import Refused
from moss.tuf.roles import INDEX, MOST_ROOTS, ROOT_LIMIT, Role
from moss.tuf.trusted import HISTORY, Verified, keep_metadata

Fetch = Callable[[str, int], bytes]
"""Gives what a URI names: all of it, or one byte more than the limit where it is longer. Raises NotFound where
there is nothing, and any other MossError where it cannot be had."""

_EXPIRED = re.compile(r"(?:New |Final )?(\S+?)(?:\.json)? is expired")
_DAY = 86_400


class Refreshing:
    """A repository's metadata on their way to being the newest. To be used with `with`.

    `name` is what messages call it, `called` what commands do. `pinned` is the root to begin with; without it
    the newest root that lies in `trusted` is.
    """

    def __init__(
        self, name: str, trusted: str, metadata_uri: str, fetch: Fetch, *,
        pinned: bytes | None, now: float, max_staleness: int = 0, called: str | None = None,
    ) -> None:  # fmt: skip
        self._name = name
        self._called = called or name
        self._trusted = trusted
        self._uri = metadata_uri
        self._fetcher = _Fetcher(fetch)
        self._pinned = pinned
        self._now = now
        self._max_staleness = max_staleness
        self._updater: Updater | None = None

    def __enter__(self) -> "Refreshing":
        self._scratch = tempfile.TemporaryDirectory(prefix="moss-tuf-")
        self._metadata = os.path.join(self._scratch.name, "metadata")
        self._targets = os.path.join(self._scratch.name, "targets")
        if os.path.isdir(self._trusted):
            shutil.copytree(self._trusted, self._metadata, ignore=_only_metadata)
        else:
            os.mkdir(self._metadata)
        os.mkdir(self._targets)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scratch.cleanup()

    def refresh(self) -> None:
        """Follow the roots, then verify timestamp, snapshot and targets. TrustFailure, NetworkFailure."""
        with self._told():
            config = UpdaterConfig(max_root_rotations=MOST_ROOTS, root_max_length=ROOT_LIMIT)
            self._updater = Updater(
                self._metadata, self._uri, self._targets, fetcher=self._fetcher, config=config, bootstrap=self._pinned
            )
            # The library knows the machine's clock only, and no patience: both are said here, and nowhere else.
            judged_at = datetime.fromtimestamp(self._now - self._max_staleness * _DAY, UTC)
            self._updater._trusted_set.reference_time = judged_at
            self._updater.refresh()

    def target(self, path: str) -> TargetFile:
        """What the metadata say of a file. TrustFailure where they name none of this path."""
        assert self._updater is not None, "refresh comes first"
        with self._told():
            found = self._updater.get_targetinfo(path)
        if found is None:
            raise TrustFailure(
                f"{self._name}: its signed metadata do not name {path}", remedies=["ask the repository's maker"]
            )
        return found

    def index(self) -> TargetFile:
        """What the metadata say of the repository's index. TrustFailure where they do not tell its SHA-256."""
        found = self.target(INDEX)
        if "sha256" not in found.hashes:
            raise TrustFailure(
                f"{self._name}: its signed metadata do not tell the SHA-256 of {INDEX}",
                remedies=["ask the repository's maker"],
            )
        return found

    def download(self, target: TargetFile, base_uri: str) -> bytes:
        """The file itself, verified."""
        assert self._updater is not None, "refresh comes first"
        with self._told():
            path = self._updater.download_target(target, target_base_url=base_uri)
        with open(path, "rb") as file:
            return file.read()

    def keep(self, effects: Effects) -> None:
        """Make durable what was verified: roots first."""
        files = self.files()
        if files:
            keep_metadata(self._trusted, files, effects)

    def files(self) -> dict[str, bytes]:
        """What was verified, by its names in a place of trust, in the order in which it is to be kept."""
        history = os.path.join(self._metadata, HISTORY)
        if not os.path.isdir(history):
            return {}
        first = ["root.json", "timestamp.json", "snapshot.json", "targets.json"]
        names = [name for name in sorted(os.listdir(self._metadata)) if name.endswith(".json")]
        in_order = [
            *(os.path.join(HISTORY, name) for name in _by_number(os.listdir(history))),
            *(name for name in first if name in names),
            *(name for name in names if name not in first),
        ]
        return {name: _content(os.path.join(self._metadata, name)) for name in in_order}

    def verified(self, target: TargetFile) -> Verified:
        """What is now known of the repository, for `keep_verified`."""
        said = {role: self._said(role.value) for role in Role}
        expiry = {role: _moment(one) for role, one in said.items()}
        first = min(expiry, key=lambda role: expiry[role])
        return Verified(
            target.hashes["sha256"], said[Role.ROOT]["version"], said[Role.TIMESTAMP]["version"],
            expiry[first], first.value, int(self._now),
        )  # fmt: skip

    def _said(self, role: str) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(_content(os.path.join(self._metadata, f"{role}.json")))["signed"]
        return said

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in the user's words what the library found."""
        try:
            yield
        except ExpiredMetadataError as fault:
            raise self._expired(str(fault)) from fault
        except RepositoryError as fault:
            raise TrustFailure(
                f"{self._name}: {_what_is_wrong(fault)}",
                because=[str(fault)],
                remedies=[
                    "try again later: a mirror may be in the midst of an update",
                    "if it stays so, ask the repository's maker before you trust anything else",
                ],
            ) from fault
        except DownloadLengthMismatchError as fault:
            raise TrustFailure(
                f"{self._name} sends more than its signed metadata allow", because=[str(fault)],
                remedies=["use another mirror", "ask the repository's maker"],
            ) from fault  # fmt: skip
        except DownloadError as fault:
            raise self._fetcher.fault or NetworkFailure(f"{self._name}: {fault}") from fault

    def _expired(self, said: str) -> TrustFailure:
        found = _EXPIRED.search(said)
        role = found[1] if found else "metadata"
        document = self._fetcher.newest(role)
        with suppress(OSError):
            document = document or _content(os.path.join(self._metadata, f"{role}.json"))
        signed = json.loads(document)["signed"] if document else None
        when, days = "some time ago", 1
        if signed is not None:
            when = "on " + time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(_moment(signed)))
            days = (int(self._now) - _moment(signed)) // _DAY + 1
        return TrustFailure(
            f"{self._name}: its {role} expired {when}",
            because=[
                "what is newer may be kept from this system, or the repository's maker has not signed in time",
                *([f"{self._max_staleness} days are accepted"] if self._max_staleness else []),
            ],
            remedies=[
                "look whether this machine's clock is right: date",
                "use another mirror, or ask the repository's maker",
                f"where there is no network: moss repo trust {self._called} --max-staleness {days}",
            ],
        )


class _Fetcher(FetcherInterface):
    """The library's transport: moss's. Remembers what it got, for who has to say what was wrong with it."""

    def __init__(self, fetch: Fetch) -> None:
        self._get = fetch
        self._got: dict[str, bytes] = {}
        self.fault: MossError | None = None

    def newest(self, role: str) -> bytes | None:
        """The newest document of a role."""
        found = [content for url, content in self._got.items() if url.endswith((f"/{role}.json", f".{role}.json"))]
        return found[-1] if found else None

    def download_bytes(self, url: str, max_length: int) -> bytes:
        try:
            content = self._get(url, max_length)
        except NotFound as fault:
            self.fault = fault
            raise DownloadHTTPError(fault.message, 404) from fault
        except Refused as fault:  # what some stores say of what is not there
            self.fault = fault
            raise DownloadHTTPError(fault.message, fault.status) from fault
        except MossError as fault:
            self.fault = fault
            raise DownloadError(fault.message) from fault
        if len(content) > max_length:
            raise DownloadLengthMismatchError(f"{url} has more than {max_length} bytes")
        self._got[url] = content
        return content

    @contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        yield io.BytesIO(self.download_bytes(url, max_length))

    def _fetch(self, url: str) -> Iterator[bytes]:
        raise NotImplementedError("download_bytes is the way")


def root_fault(content: bytes) -> str | None:
    """Why a file is no root that could be pinned; None where it is one."""
    try:
        found = Metadata[Any].from_bytes(content)
        if not isinstance(found.signed, Root):
            return f"it is signed metadata, but of the role {found.signed.type}"
        found.signed.verify_delegate(Root.type, found.signed_bytes, found.signatures)
    except UnsignedMetadataError:
        return "it is not signed by enough of its own keys"
    except RepositoryError:
        return "it is no signed metadata at all"
    return None


def _what_is_wrong(fault: RepositoryError) -> str:
    match fault:
        case UnsignedMetadataError():
            return "its metadata are not signed by enough of the keys that it has said sign them"
        case BadVersionNumberError():
            return "its metadata are older than what was seen before, or do not belong together"
        case LengthOrHashMismatchError():
            return "a file is not the one that its signed metadata name"
        case _:
            return "its metadata are not what signed metadata are"


def _only_metadata(_: str, names: list[str]) -> list[str]:
    return [name for name in names if not (name.endswith(".json") or name == HISTORY)]


def _by_number(names: list[str]) -> list[str]:
    return sorted((name for name in names if name.endswith(".root.json")), key=lambda name: int(name.split(".")[0]))


def _content(path: str) -> bytes | Any:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _moment(signed: dict[str, Any]) -> int:
    moment = datetime.strptime(signed["expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return int(moment.timestamp())
