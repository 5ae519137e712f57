"""Fetching signed metadata, and what they vouch for: from a repository's own place, or from its mirrors."""

import re
from collections.abc import Callable, Sequence

from moss.errors import MossError, NetworkFailure, NotFound
from moss.fetch.document import Document, TooLong, fetch_document
from moss.fetch.transport import Transport

Fetch = Callable[[str, int], bytes]
"""See moss.tuf.client.Fetch."""

_NEXT_ROOT = re.compile(r"/[0-9]+\.root\.json$")


def fetching(transport: Transport, places: Sequence[str]) -> Fetch:
    """How files below the first of these places are fetched; the others hold the same, and nobody need trust them.

    That there is no further root is every day's answer: for that no mirror is asked.
    """
    own = places[0]

    def fetch(uri: str, limit: int) -> bytes:
        failures: list[MossError] = []
        for place in places:
            try:
                return _content(transport, place + uri.removeprefix(own), limit)
            except NotFound as failure:
                if _NEXT_ROOT.search(uri):
                    raise
                failures.append(failure)
            except NetworkFailure as failure:
                failures.append(failure)
        failures[0].because = (*failures[0].because, *(one.message for one in failures[1:]))
        raise failures[0]

    return fetch


def _content(transport: Transport, uri: str, limit: int) -> bytes:
    try:
        found = fetch_document(uri, limit, transport=transport)
    except TooLong:
        return bytes(limit + 1)
    assert isinstance(found, Document), "nothing was said of what is known"
    return found.content
