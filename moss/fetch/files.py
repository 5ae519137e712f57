"""Many files at once into a directory, each held to its size and digest while it comes in.

    DIRECTORY/<digest>         the file, right in every byte
    DIRECTORY/<digest>.part    how far it has come; the next try, of this process or another, goes on from there

A file's digest is known before it is asked for, so it alone decides what is right: a part may have come
from another mirror, or may have been spoilt by a power cut, and then the whole is wrong and is fetched
anew, once, from its beginning. For the same reason nothing here is synced: whoever uses a file that was
here before reads it against its digest first, and fetches it where it is wrong.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import BinaryIO, NamedTuple

from moss.effects import Effects
from moss.errors import MossError, NoSpace
from moss.fetch.arriving import Arriving, Wanted, open_found
from moss.fetch.mirrors import GivenUp, fetch_from_mirrors
from moss.fetch.transport import Transport
from moss.fetch.uris import NETWORK, scheme_of
from moss.fetch.verify import open_uri, verify
from moss.reporter import Reporter

__all__ = ["Wanted", "fetch_files"]

_SECONDS_BETWEEN_REPORTS = 0.1
_SECONDS_TO_LEAVE = 2.0
"""For threads to end in once all is given up. Who still waits for a connection is left behind: it writes nothing."""


def fetch_files(
    wanted: Sequence[Wanted], directory: str, *, transport: Transport, effects: Effects, reporter: Reporter
) -> list[BinaryIO]:
    """The files, verified, open at their beginning, in the order asked for; the caller closes them.

    What the directory has already is not fetched again. The first file that cannot be had at any of its
    mirrors ends it with what that mirror said: NetworkFailure, NotFound, or CorruptData where bytes that
    are not the file's came; what had arrived of the others stays for the next time.
    """
    here, total = 0, sum({one.digest: one.size for one in wanted}.values())
    with ExitStack() as opened:
        files: dict[str, BinaryIO] = {}
        missing: dict[str, Wanted] = {}
        for one in wanted:
            if one.digest not in files and one.digest not in missing:
                found = _in_place(one) or open_found(directory, one, effects)
                if found is None:
                    missing[one.digest] = one
                else:
                    files[one.digest] = opened.enter_context(found)
                    here += one.size
                    reporter.progress(here, total, "bytes")
        if missing:
            fetching = _Fetching(list(missing.values()), directory, transport, effects)
            for digest, file in fetching.run(reporter, here, total):
                files[digest] = opened.enter_context(file)
        opened.pop_all()
    return [files[one.digest] for one in wanted]


def _in_place(wanted: Wanted) -> BinaryIO | None:
    """A file of this machine is read where it lies. What is wrong with it is told, unless there are mirrors."""
    local = [uri for uri in wanted.uris if scheme_of(uri) not in NETWORK]
    failure: MossError | None = None
    for uri in local:
        try:
            file = open_uri(uri)
        except MossError as fault:
            failure = failure or fault
            continue
        try:
            verify(file, uri, digest=wanted.digest, size=wanted.size)
        except MossError as fault:
            file.close()
            failure = failure or fault
        else:
            return file
    if failure is not None and len(local) == len(wanted.uris):
        raise failure
    return None


class _Arrived(NamedTuple):
    """What a thread has to say: a file, a fault that ends it all, or a warning."""

    digest: str = ""
    file: BinaryIO | None = None
    fault: BaseException | None = None
    warning: str = ""


class _Fetching:
    """Threads that fetch, and the one that waits for them."""

    def __init__(self, missing: list[Wanted], directory: str, transport: Transport, effects: Effects) -> None:
        self._missing, self._directory, self._transport, self._effects = missing, directory, transport, effects
        self._waiting: SimpleQueue[Wanted] = SimpleQueue()
        for one in missing:
            self._waiting.put(one)
        self._arrived: SimpleQueue[_Arrived] = SimpleQueue()
        self._under_way: dict[str, Arriving] = {}
        self._stop = Event()

    def run(self, reporter: Reporter, here: int, total: int) -> Iterator[tuple[str, BinaryIO]]:
        """Each file by its digest, as soon as it is there. Of the `total` bytes `here` were there before."""
        _check_space(self._missing, self._directory)
        count = min(self._transport.manners.parallel, self._effects.threads, len(self._missing))
        threads = [Thread(target=self._work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            left = len(self._missing)
            while left:
                said = self._next()
                reporter.progress(here + sum(one.received for one in list(self._under_way.values())), total, "bytes")
                if said is None:
                    continue
                if said.fault is not None:
                    raise said.fault
                if said.warning:
                    reporter.warning(said.warning)
                if said.file is not None:
                    left -= 1
                    yield said.digest, said.file
        finally:
            self._stop.set()
            self._transport.interrupt()
            for thread in threads:
                thread.join(_SECONDS_TO_LEAVE)
            self._close_rest()

    def _next(self) -> _Arrived | None:
        try:
            return self._arrived.get(timeout=_SECONDS_BETWEEN_REPORTS)
        except Empty:
            return None

    def _work(self) -> None:
        """What each thread does: one waiting file after the other."""
        try:
            while not self._stop.is_set():
                try:
                    wanted = self._waiting.get_nowait()
                except Empty:
                    return
                file = self._fetch(wanted)
                self._arrived.put(_Arrived(wanted.digest, file))
        except GivenUp:
            pass
        except BaseException as fault:  # noqa: BLE001 - the one that waits must learn of anything
            self._arrived.put(_Arrived(fault=fault))

    def _fetch(self, wanted: Wanted) -> BinaryIO:
        arriving = Arriving(wanted, self._directory, self._effects)
        self._under_way[wanted.digest] = arriving
        try:
            return fetch_from_mirrors(
                arriving, self._transport, self._stop, lambda text: self._arrived.put(_Arrived(warning=text))
            )
        finally:
            arriving.close()

    def _close_rest(self) -> None:
        """Files that came when nobody waited any more."""
        while not self._arrived.empty():
            if (file := self._arrived.get().file) is not None:
                file.close()


def _check_space(missing: list[Wanted], directory: str) -> None:
    """NoSpace where what is missing has no room, before the first byte of it comes."""
    needed = 0
    for one in missing:
        try:
            needed += max(0, one.size - os.stat(os.path.join(directory, f"{one.digest}.part")).st_size)
        except FileNotFoundError:
            needed += one.size
    room = os.statvfs(directory)
    free = room.f_bavail * room.f_frsize
    if needed > free:
        raise NoSpace(
            f"{needed} bytes must be fetched, and {directory} has room for {free}",
            remedies=["moss state prune", "moss cache clean", "look with: df -h"],
        )
