"""Repositories: where packages come from, and what each offers."""

from moss.digest import PackageDigest
from moss.package import Metadata
from solver.values import value

BUNDLE_PREFIX = "bundle:"
"""Before the URI of a state bundle that is used as a repository."""


@value
class Repository:
    name: str
    uri: str
    """Of the index: a `stone.index`, or an apt repository (`apt+file:///…`, see moss/debian/source.py)."""
    priority: int
    """Higher wins."""
    enabled: bool
    unsigned: bool
    """The person said that nothing vouches for its content."""


@value
class Revision:
    """The state of a repository's index when it was last read."""

    repository: str
    uri: str
    digest: str
    """SHA-256 of the index."""
    refreshed_at: int
    package_count: int


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
