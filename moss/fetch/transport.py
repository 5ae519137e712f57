"""What a way of getting at files must do, and how it says that it could not."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from enum import Enum, auto
from typing import Protocol

from moss.errors import NetworkFailure
from moss.fetch.manners import Manners
from solver.values import value


@value
class Validators:
    """By what a server tells one state of a file from another: its own words, empty where it has none."""

    etag: str = ""
    last_modified: str = ""

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)

    @property
    def strong(self) -> str:
        """What proves that bytes are the same; empty where nothing does."""
        return self.etag if self.etag and not self.etag.startswith("W/") else ""


class Status(Enum):
    WHOLE = auto()
    """The file from its beginning, whatever was asked for."""
    PART = auto()
    """The file from the offset that was asked for."""
    UNCHANGED = auto()
    """The file is still what the validators say, and none of it comes."""


@value
class Response:
    """An answer whose content is still to come."""

    status: Status
    uri: str
    """Where it came from in the end."""
    length: int | None
    """Bytes of the whole file, where that is said."""
    validators: Validators
    chunks: Iterator[bytes]
    """Raises NetworkFailure where the content ends before its length."""


class Transport(Protocol):
    """Opens files by URI, from several threads at once."""

    @property
    def manners(self) -> Manners: ...

    @property
    def is_offline(self) -> bool:
        """The person said to keep away from the network."""

    def open(
        self, uri: str, *, offset: int = 0, known: Validators | None = None
    ) -> AbstractContextManager[Response]:
        """Ask for a file, or for what follows its first `offset` bytes.

        With `known` validators: a whole file that they are still true of is not sent; what follows an
        offset is sent only while they are true, else the whole file is.

        NotFound where there is none, TemporaryFailure where trying again may help, NoSuchRange where the
        file has no more bytes than `offset`, NetworkFailure for what will not change by itself.
        """

    def interrupt(self) -> None:
        """End what is under way in other threads: they get a NetworkFailure."""


class TemporaryFailure(NetworkFailure):
    """What may be over soon. `wait`: seconds after which the server wants to be asked again."""

    wait: float = 0.0


class Refused(NetworkFailure):
    """The server will not give it, and says so by this number."""

    status: int = 0


class NoSuchRange(NetworkFailure):
    """There is nothing at this offset."""
