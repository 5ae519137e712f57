"""Repositories: where packages come from, and what each offers."""

from dataclasses import dataclass

from moss.digest import PackageDigest
from moss.package import Metadata


@dataclass(frozen=True, slots=True)
class Repository:
    name: str
    uri: str
    """Of the index: a `stone.index`."""
    priority: int
    """Higher wins."""
    enabled: bool
    unsigned: bool
    """The person said that nothing vouches for its content."""


@dataclass(frozen=True, slots=True)
class Revision:
    """The state of a repository's index when it was last read."""

    repository: str
    uri: str
    digest: str
    """SHA-256 of the index."""
    refreshed_at: int
    package_count: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A package that a repository offers."""

    repository: str
    candidate_key: str
    metadata: Metadata
    uri: str
    """Of the stone, relative to the index."""
    digest: PackageDigest
    stone_size: int


def candidate_key_of(metadata: Metadata, digest: PackageDigest) -> str:
    """What the solver knows a package by: equal for a source and for every stone converted from it."""
    return metadata.source_digest or digest
