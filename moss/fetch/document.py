"""A small file from anywhere into memory: an index, signed metadata, a Release."""

from moss.errors import CorruptData
from moss.fetch.retrying import retried
from moss.fetch.transport import Response, Status, Transport, Validators
from moss.fetch.uris import shown
from solver.values import value


@value
class Document:
    """A file as it was when it was fetched."""

    uri: str
    """What was asked for, wherever it came from."""
    content: bytes
    validators: Validators


class TooLong(CorruptData):
    """A document has more bytes than it may have."""


@value
class Unchanged:
    """The file is still what it was when its validators were told."""

    uri: str


def fetch_document(
    uri: str, limit: int, known: Validators | None = None, *, transport: Transport
) -> Document | Unchanged:
    """Fetch a file of at most `limit` bytes; of a longer one no more than that is read.

    With the validators of an earlier answer, and where the server says that they still hold, nothing is
    sent. NotFound where it is not there; NetworkFailure where it cannot be had, after as many tries as
    manners allow; TooLong where it is longer than `limit`.
    """

    def fetch() -> Document | Unchanged:
        with transport.open(uri, known=known) as response:
            if response.status is Status.UNCHANGED:
                return Unchanged(uri)
            return Document(uri, _content(response, uri, limit), response.validators)

    return retried(fetch, transport.manners)


def _content(response: Response, uri: str, limit: int) -> bytes:
    if response.length is not None and response.length > limit:
        raise _too_long(uri, f"{response.length} bytes", limit)
    content = bytearray()
    for chunk in response.chunks:
        if len(content) + len(chunk) > limit:
            raise _too_long(uri, f"more than {limit} bytes", limit)
        content += chunk
    return bytes(content)


def _too_long(uri: str, found: str, limit: int) -> TooLong:
    return TooLong(
        f"has {found}; such a file has at most {limit}",
        file=shown(uri),
        remedies=["look whether the URI is right", "ask the repository's maker"],
    )
