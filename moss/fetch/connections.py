"""Connections that can be ended from outside, and whose silence before an answer is bounded.

A timeout of a socket is for a single byte: who sends one a minute keeps a reader for as long as it likes.
So a clock of its own runs while a connection is made and while an answer's head is read, and shuts the
socket down when it has run out. Reading content has its own measure of speed, see `moss.fetch.http`.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit
from weakref import WeakSet, finalize

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from moss.fetch.manners import Manners


class Connections:
    """All connections of one transport."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._there: WeakSet[socket.socket] = WeakSet()
        plain, secure = _kinds(manners.head, self._there)
        self._kinds = {
            "http": type("Plain", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("Secure", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }

    def pools(self, proxy: str | None) -> urllib3.PoolManager:
        """Connections by host, straight or through a proxy; as many to a host as files are fetched at once."""
        many = self._manners.parallel
        if proxy is None:
            made = urllib3.PoolManager(maxsize=many)
        else:
            parts = urlsplit(proxy)
            login = None
            if parts.username is not None:
                said = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
                login = urllib3.make_headers(proxy_basic_auth=said)
            bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
            made = urllib3.ProxyManager(bare, maxsize=many, proxy_headers=login)
        made.pool_classes_by_scheme = self._kinds
        return made

    def end(self) -> None:
        """Shut down what is under way."""
        for plug in list(self._there):
            _shut_down(plug)


class _Watched:
    """What both kinds of connection have beside urllib3's own."""

    _plug: socket.socket | None = None
    """The same connection under a descriptor of its own: TLS takes the first one over."""
    _is_answering = False
    head_seconds: float
    there: "WeakSet[socket.socket]"

    def _new_conn(self) -> socket.socket:
        made: socket.socket = super()._new_conn()  # type: ignore[misc]
        self._pull()
        self._plug = made.dup()
        self.there.add(self._plug)
        return made

    def connect(self) -> None:
        with self._in_time():
            super().connect()  # type: ignore[misc]

    def getresponse(self) -> Any:
        self._is_answering = True
        try:
            with self._in_time():
                answer = super().getresponse()  # type: ignore[misc]
        finally:
            self._is_answering = False
        if self.sock is None and self._plug is not None:  # type: ignore[attr-defined]
            # It ends with this answer, which has it for itself from now on.
            finalize(answer, self._plug.close)
            self._plug = None
        return answer

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        if not self._is_answering:
            self._pull()

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        ran_out = threading.Event()

        def end() -> None:
            ran_out.set()
            _shut_down(self._plug)

        clock = threading.Timer(self.head_seconds, end)
        clock.daemon = True
        clock.start()
        try:
            yield
        finally:
            clock.cancel()
        if ran_out.is_set():  # http.client takes the end of a line for the end of a head
            raise TimeoutError(f"no answer after {self.head_seconds:g} s")

    def _pull(self) -> None:
        plug, self._plug = self._plug, None
        if plug is not None:
            plug.close()


def _shut_down(plug: socket.socket | None) -> None:
    try:
        if plug is not None:
            plug.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has ended already
        pass


def _kinds(
    head_seconds: float, there: "WeakSet[socket.socket]"
) -> tuple[type[HTTPConnection], type[HTTPSConnection]]:
    said = {"head_seconds": head_seconds, "there": there}
    plain = type("PlainConnection", (_Watched, HTTPConnection), said)
    secure = type("SecureConnection", (_Watched, HTTPSConnection), said)
    return plain, secure
