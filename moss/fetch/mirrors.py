"""Fetching one file: from where it was left, from mirror to mirror, until it is whole and right."""

from collections.abc import Callable
from threading import Event
from typing import BinaryIO

from moss.errors import CorruptData, MossError, NetworkFailure, NotFound
from moss.fetch.arriving import Arriving, wrong_size
from moss.fetch.retrying import pause_before
from moss.fetch.transport import NoSuchRange, Status, TemporaryFailure, Transport, Validators
from moss.fetch.uris import NETWORK, scheme_of, shown

_FORWARD_BYTES = 1 << 18
"""A try that brings so much is no failed one, even when it ends early: there can only be so many."""


class GivenUp(Exception):
    """Somebody else's file could not be had, or the person has had enough."""


def fetch_from_mirrors(
    arriving: Arriving, transport: Transport, stop: Event, warn: Callable[[str], None]
) -> BinaryIO:
    """The file, whole and right. Raises what the first mirror said, with what the others said beside it.

    `warn` is told of mirrors that send something else. GivenUp soon after `stop` is set.
    """
    failures: list[MossError] = []
    for uri in (one for one in arriving.wanted.uris if scheme_of(one) in NETWORK):
        try:
            return _Mirror(uri, arriving, transport, stop).fetch()
        except (NetworkFailure, NotFound) as failure:
            failures.append(failure)
        except CorruptData as failure:
            failures.append(failure)
            if len(arriving.wanted.uris) > 1:
                warn(failure.message)
            arriving.begin_anew()
    assert failures, "a wanted file has at least one URI"
    raise _told(failures)


class _Mirror:
    """One mirror's part in it."""

    def __init__(self, uri: str, arriving: Arriving, transport: Transport, stop: Event) -> None:
        self._uri, self._arriving, self._transport, self._stop = uri, arriving, transport, stop
        self._known = Validators()
        """Of the answer that the last bytes came with; nothing for those of another mirror."""
        self._was_spoilt = False

    def fetch(self) -> BinaryIO:
        failed = 0
        while True:
            if self._stop.is_set():
                raise GivenUp
            before = self._arriving.received
            try:
                return self._try()
            except NoSuchRange:
                self._arriving.begin_anew()
                failed += 1
                if failed >= self._transport.manners.tries:
                    raise
            except CorruptData:
                # What came before may be what is wrong: then the whole is right.
                if self._was_spoilt or not self._arriving.is_resumed:
                    raise
                self._was_spoilt = True
                self._arriving.begin_anew()
            except TemporaryFailure as failure:
                failed = 1 if self._arriving.received - before >= _FORWARD_BYTES else failed + 1
                if failed >= self._transport.manners.tries:
                    raise
                self._stop.wait(pause_before(failed, self._transport.manners, failure.wait))

    def _try(self) -> BinaryIO:
        arriving = self._arriving
        if not arriving.is_whole:
            self._stream()
        if not arriving.is_whole:
            raise TemporaryFailure(
                f"{shown(self._uri)}: ended after {arriving.received} of {arriving.wanted.size} bytes",
                remedies=["try again later"],
            )
        return arriving.finish(shown(self._uri))

    def _stream(self) -> None:
        arriving, size = self._arriving, self._arriving.wanted.size
        known = self._known if arriving.received else None
        with self._transport.open(self._uri, offset=arriving.received, known=known) as response:
            if response.length is not None and response.length != size:
                raise wrong_size(shown(self._uri), str(response.length), arriving.wanted)
            if arriving.received and response.status is Status.WHOLE:
                arriving.begin_anew()
            arriving.is_resumed = arriving.received > 0
            self._known = response.validators
            for chunk in response.chunks:
                if self._stop.is_set():
                    raise GivenUp
                arriving.take(chunk)
                if arriving.is_whole:
                    return


def _told(failures: list[MossError]) -> MossError:
    """The first; but while one of them may be over later, that nothing can be had is not the last word."""
    network = [one for one in failures if isinstance(one, NetworkFailure)]
    first = network[0] if network else failures[0]
    others = [one.message for one in failures if one is not first]
    first.because = (*first.because, *others)
    return first
