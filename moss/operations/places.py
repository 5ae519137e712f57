"""Where the files of a repository are: at its own URI, and at those of its mirrors."""

from moss.debian.source import PREFIX as APT
from moss.debian.source import AptSource
from moss.errors import MossError
from moss.fetch.uris import NETWORK, relative_to, scheme_of, uri_of_path
from moss.repository import BUNDLE_PREFIX, Candidate, Repository, Revision
from moss.versioned import PREFIX as VERSIONED
from moss.versioned import VersionedSource


def index_uris(repository: Repository, revision: Revision | None) -> tuple[str, ...]:
    """Of its index, its own place first. Those of a versioned repository are known once it has been read."""
    if not repository.uri.startswith(VERSIONED):
        return (repository.uri, *repository.mirrors)
    path = "" if revision is None else revision.index_path
    return tuple(relative_to(base, path) for base in bases(repository)) if path else ()


def bases(repository: Repository) -> tuple[str, ...]:
    """Of a versioned repository: what all its paths are relative to, at each of its places."""
    own = VersionedSource.parse(repository.uri).base
    return (own, *(one if one.endswith("/") else f"{one}/" for one in repository.mirrors))


def package_uris(repository: Repository, revision: Revision | None, candidate: Candidate) -> tuple[str, ...]:
    """Of a package's file: a stone's, or a .deb's at a mirror of Debian."""
    return tuple(relative_to(one, candidate.uri) for one in _tops(repository, revision))


def is_on_network(repository: Repository) -> bool:
    """Whether reading it needs the network."""
    plain = repository.uri.removeprefix(APT).removeprefix(VERSIONED).removeprefix(BUNDLE_PREFIX)
    return scheme_of(plain) in NETWORK


def _tops(repository: Repository, revision: Revision | None) -> tuple[str, ...]:
    """What its packages' URIs are relative to."""
    if not repository.uri.startswith(APT):
        uris = index_uris(repository, revision)
        if not uris:
            raise MossError(
                f"what {repository.name} offers has not been read", remedies=[f"moss repo update {repository.name}"]
            )
        return uris
    source = AptSource.parse(repository.uri)
    own = uri_of_path(source.place) if source.transport == "file" else f"{source.transport}:{source.place}"
    return tuple(one if one.endswith("/") else f"{one}/" for one in (own, *repository.mirrors))
