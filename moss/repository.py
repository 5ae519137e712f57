"""Repositories: where packages come from, who vouches for them, and what each offers."""

from collections.abc import Mapping
from enum import StrEnum

from moss.debian.compiled import Compiled
from moss.digest import PackageDigest
from moss.package import Metadata
from solver.values import field, value

BUNDLE_PREFIX = "bundle:"
"""Before the URI of a state bundle that is used as a repository."""


class Voucher(StrEnum):
    """Who vouches for what a repository offers."""

    NOBODY = "nobody"
    """The person said that nobody needs to."""
    ROOT = "root"
    """Signed metadata (TUF), whose root is pinned here: docs/trust.md."""
    KEYRING = "keyring"
    """OpenPGP keys, for apt repositories."""
    KEYS = "keys"
    """The keys that are pinned on this system, for bundles."""


@value
class Vouching:
    """How a repository is vouched for, as the person said it."""

    by: Voucher
    pinned: str = ""
    """Of a root: the SHA-256 of its file. Of a keyring: its path; empty for the system's own."""
    max_staleness: int = 0
    """Days for which what was signed is still taken after it has expired."""


UNSIGNED = Vouching(Voucher.NOBODY)


@value
class Repository:
    name: str
    uri: str
    """Of the index: a `stone.index`, an apt repository (`apt+file:///…`, see moss/debian/source.py), or a versioned
    one (`versioned+https://…`, see moss/versioned.py)."""
    priority: int
    """Higher wins."""
    enabled: bool
    vouching: Vouching
    mirrors: tuple[str, ...] = ()
    """Where the same is to be had when `uri` fails, in this order: URIs of the same kind, without what narrows it."""

    @property
    def unsigned(self) -> bool:
        """The person said that nothing vouches for its content."""
        return self.vouching.by is Voucher.NOBODY


@value
class Seen:
    """How an index was come by: what the next request can say of it."""

    index_path: str = ""
    """Of a versioned repository: where its index is, relative to the base."""
    asked: str = ""
    """The URI that answered with these validators; see moss.fetch.transport.Validators."""
    etag: str = ""
    last_modified: str = ""


@value
class Revision:
    """The state of a repository's index when it was last read."""

    repository: str
    uri: str
    digest: str
    """SHA-256 of the index."""
    refreshed_at: int
    """When it was last read, or found to be as it was."""
    package_count: int
    seen: Seen = field(default_factory=Seen)

    @property
    def index_path(self) -> str:
        return self.seen.index_path


@value
class Contents:
    """What was read of an index, besides the packages that it lists."""

    package_count: int
    compiled: Compiled | None = None
    """Where that was done by the way."""
    definitions: Mapping[str, str] = field(default_factory=dict)
    """What it says that subscriptions mean: texts by the names of their files."""


@value
class Candidate:
    """A package that a repository offers."""

    repository: str
    candidate_key: str
    metadata: Metadata
    uri: str
    """Of its file, relative to the index; of a .deb, relative to the mirror's root."""
    digest: PackageDigest
    """Of its file."""
    stone_size: int
    """Bytes of its file."""
    installed_size: int | None = None
    """Bytes that its files take when installed, where the index says so."""


def candidate_key_of(metadata: Metadata, digest: PackageDigest) -> str:
    """What the solver knows a package by: equal for a source and for every stone converted from it."""
    return metadata.source_digest or digest
