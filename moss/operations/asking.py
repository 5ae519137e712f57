"""Asking a repository for its index, and asking no more than has to be asked.

    a stone.index      one request; none of it comes where the server says that it is as it was
    a versioned one    one request for the root index; its index where that leads to another state than before

The first place that answers counts; mirrors are asked where the repository's own does not.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from moss.debian.source import PREFIX as APT
from moss.errors import CorruptData, MossError, NetworkFailure, NotFound
from moss.fetch.document import Document, Unchanged, fetch_document
from moss.fetch.transport import Transport, Validators
from moss.fetch.uris import relative_to, shown
from moss.operations.indexes import StoneSource
from moss.operations.places import bases
from moss.repository import Repository, Revision, Seen
from moss.versioned import PREFIX as VERSIONED
from moss.versioned import VersionedSource
from solver.values import value

if TYPE_CHECKING:
    from moss.operations.apt_packages import PackagesSource

_INDEX_LIMIT = 64 << 20
"""65,535 packages, which is as many as there can be in one, at a kilobyte each."""
_ROOT_INDEX_LIMIT = 4 << 20


@value
class Found:
    """What a repository has now; no source where that is what it had."""

    source: "StoneSource | PackagesSource | None"
    seen: Seen = Seen()


def ask(repository: Repository, known: Revision | None, transport: Transport, machine: str) -> Found:
    """`machine` is the architecture that packages are for. NotFound, NetworkFailure, CorruptData, UsageError; what the
    first place said, and the others beside it."""
    if repository.uri.startswith(APT):
        from moss.operations.apt_packages import packages_source  # only where Debian mirrors are

        return Found(packages_source(repository.uri, machine))
    seen = known.seen if known is not None and known.uri == repository.uri else Seen()
    if repository.uri.startswith(VERSIONED):
        return _ask_versioned(repository, seen, transport)
    answer = _first((repository.uri, *repository.mirrors), _INDEX_LIMIT, seen, transport)
    if isinstance(answer, Unchanged):
        return Found(None, seen)
    return Found(_source(answer), _seen(answer))


def _ask_versioned(repository: Repository, seen: Seen, transport: Transport) -> Found:
    versioned, places = VersionedSource.parse(repository.uri), bases(repository)
    roots = [relative_to(base, versioned.root_index) for base in places]
    answer = _first(roots, _ROOT_INDEX_LIMIT, seen, transport)
    if isinstance(answer, Unchanged):
        return Found(None, seen)
    path = versioned.index_of(versioned.history_in(answer.content, shown(answer.uri)))
    now = _seen(answer, path)
    if path == seen.index_path:  # a state of history never changes
        return Found(None, now)
    index = _first([relative_to(base, path) for base in places], _INDEX_LIMIT, Seen(), transport)
    assert isinstance(index, Document), "nothing was said of what is known"
    return Found(_source(index), now)


def _first(uris: Sequence[str], limit: int, seen: Seen, transport: Transport) -> Document | Unchanged:
    """From the first place that has it."""
    failures: list[MossError] = []
    for uri in uris:
        known = Validators(seen.etag, seen.last_modified) if uri == seen.asked else None
        try:
            return fetch_document(uri, limit, known, transport=transport)
        except (NetworkFailure, NotFound, CorruptData) as failure:
            failures.append(failure)
    failures[0].because = (*failures[0].because, *(one.message for one in failures[1:]))
    raise failures[0]


def _source(answer: Document) -> StoneSource:
    return StoneSource(shown(answer.uri), hashlib.sha256(answer.content).hexdigest(), answer.content)


def _seen(answer: Document, index_path: str = "") -> Seen:
    asked = answer.uri if answer.validators else ""
    return Seen(index_path, asked, answer.validators.etag, answer.validators.last_modified)
