"""A versioned repository: a root index says which states of it there are, each with an index of its own.

    versioned+https://packages.example.org/?version=stream/volatile&channel=main&arch=x86_64

    BASE/CHANNEL/moss-root-index.json            streams and tags, and the history that each leads to
    BASE/CHANNEL/history/ID/ARCH/stone.index     one state
"""

import re

from moss.architecture import native_architecture
from moss.errors import CorruptData, FormatTooNew, NotFound, UsageError
from solver.values import value

PREFIX = "versioned+"
ROOT_INDEX = "moss-root-index.json"
_FORMAT = "v0"
_CHANNEL = "main"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}")
_KINDS = ("stream", "tag", "history")


@value
class VersionedSource:
    """Which state of which repository. `base` ends in a slash."""

    base: str
    kind: str
    """`stream`, `tag` or `history`."""
    id: str
    channel: str = _CHANNEL
    architecture: str = ""
    """The machine's own where it is empty."""

    @classmethod
    def of(cls, base: str, version: str, channel: str = "", architecture: str = "") -> "VersionedSource":
        """What the person says. UsageError where that names no version."""
        kind, _, identity = version.partition("/")
        if kind not in _KINDS or not _ID.fullmatch(identity):
            raise UsageError(
                f"{version!r} names no version of a repository",
                remedies=["use stream/NAME, tag/NAME or history/ID, such as stream/volatile"],
            )
        for word in (channel or _CHANNEL, architecture or "any"):
            if not _ID.fullmatch(word):
                raise UsageError(f"{word!r} is no channel or architecture", remedies=["leave it out"])
        return cls(base if base.endswith("/") else f"{base}/", kind, identity, channel or _CHANNEL, architecture)

    @classmethod
    def parse(cls, text: str) -> "VersionedSource":
        """Read what `str` printed."""
        from urllib.parse import parse_qsl

        base, _, query = text.removeprefix(PREFIX).partition("?")
        said = dict(parse_qsl(query))
        if not text.startswith(PREFIX) or set(said) - {"version", "channel", "arch"}:
            raise UsageError(f"{text} names no versioned repository", remedies=["moss repo add --help"])
        return cls.of(base, said.get("version", ""), said.get("channel", ""), said.get("arch", ""))

    def __str__(self) -> str:
        from urllib.parse import urlencode

        said = {"version": f"{self.kind}/{self.id}", "channel": self.channel}
        said |= {"arch": self.architecture} if self.architecture else {}
        return f"{PREFIX}{self.base}?{urlencode(said, safe='/')}"

    @property
    def root_index(self) -> str:
        """Where the root index is, relative to the base."""
        return f"{self.channel}/{ROOT_INDEX}"

    def index_of(self, history: str) -> str:
        """Where the index of a state is, relative to the base."""
        return f"{self.channel}/history/{history}/{self.architecture or native_architecture()}/stone.index"

    def history_in(self, content: bytes, uri: str) -> str:
        """Which state a root index says this is. NotFound for a version that it does not have,
        FormatTooNew, CorruptData where it is none."""
        root = _root_index(content, uri)
        where = "history" if self.kind == "history" else f"{self.kind}s"
        found = root[where].get(self.id)
        if found is None:
            known = ", ".join(sorted(root[where])[:10]) or "none"
            raise NotFound(
                f"{uri} has no {self.kind} {self.id}",
                because=[f"there are: {known}"],
                remedies=[f"moss repo add NAME BASE --version {self.kind}/NAME"],
            )
        history = self.id if self.kind == "history" else found.get("history")
        told = found.get("format")
        if told != _FORMAT:
            raise FormatTooNew(
                f"{uri}: {self.kind} {self.id} has the format {told!r}, and this moss knows {_FORMAT}",
                remedies=["use a newer moss", "use another version of the repository"],
            )
        if not isinstance(history, str) or not _ID.fullmatch(history):
            raise _wrong(uri, f"{self.kind} {self.id} leads to no history")
        return history


def _root_index(content: bytes, uri: str) -> dict[str, dict[str, dict[str, object]]]:
    """Streams, tags and histories by name, each what it says of itself."""
    import json

    try:
        root = json.loads(content)
    except (ValueError, RecursionError) as fault:
        raise _wrong(uri, f"is no JSON ({fault})") from fault
    if not isinstance(root, dict):
        raise _wrong(uri, "is no root index")
    found = {}
    for name in ("streams", "tags", "history"):
        part = root.get(name, {})
        if not isinstance(part, dict) or not all(isinstance(one, dict) for one in part.values()):
            raise _wrong(uri, f"its {name} are not what a root index has there")
        found[name] = part
    return found


def _wrong(uri: str, text: str) -> CorruptData:
    return CorruptData(text, file=uri, remedies=["look whether the URI is right", "ask the repository's maker"])
