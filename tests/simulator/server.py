"""The server: HTTP/1.1 with kept connections, ranges and validators, from a folder."""

import hashlib
import socket
import ssl
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit


class Asked(NamedTuple):
    """A request as it came."""

    path: str
    headers: dict[str, str]
    """By their names in lower case."""
    raw: str = ""
    """The path as it was written."""

    @property
    def range(self) -> str:
        return self.headers.get("range", "")


Behaviour = Callable[["Exchange"], None]


class Server:
    """Serves the files below a folder, as they are when they are asked for, on a port of its own; over TLS where it
    has a certificate."""

    def __init__(self, folder: Path, certificate: Path | None = None) -> None:
        self.folder, self._certificate = folder, certificate
        self.asked: list[Asked] = []
        self.sent: dict[str, int] = defaultdict(int)
        """Bytes of content by path."""
        self.at_once = 0
        """The most requests that were being answered at one time."""
        self.ended = threading.Event()
        self._planned: dict[str, deque[Behaviour]] = defaultdict(deque)
        self._always: dict[str, Behaviour] = {}
        self._being_answered = 0
        self._account = threading.Lock()

    def __enter__(self) -> Self:
        site = self

        class Handler(Exchange):
            server_of = site

        self._http = _Quiet(("127.0.0.1", 0), Handler)
        if self._certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.004}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def address(self) -> str:
        scheme = "http" if self._certificate is None else "https"
        return f"{scheme}://127.0.0.1:{self._http.server_address[1]}"

    def uri(self, path: str) -> str:
        return f"{self.address}/{path}"

    def plan(self, path: str, *behaviours: Behaviour) -> None:
        """How the next requests for this path are answered, one after the other."""
        self._planned[path].extend(behaviours)

    def always(self, path: str, behaviour: Behaviour) -> None:
        """How all requests for this path are answered for which nothing is planned."""
        self._always[path] = behaviour

    def asked_for(self, path: str) -> list[Asked]:
        return [one for one in self.asked if one.path == path]

    def forget(self) -> None:
        """Begin a new account."""
        self.asked.clear()
        self.sent.clear()
        self.at_once = 0

    # What an exchange calls, from a thread of its own.

    def begin(self, asked: Asked) -> Behaviour:
        with self._account:
            self.asked.append(asked)
            self.sent[asked.path] += 0
            self._being_answered += 1
            self.at_once = max(self.at_once, self._being_answered)
            planned = self._planned[asked.path]
            return planned.popleft() if planned else self._always.get(asked.path, Exchange.honest)

    def end(self) -> None:
        with self._account:
            self._being_answered -= 1

    def count(self, path: str, sent: int) -> None:
        with self._account:
            self.sent[path] += sent


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what the tests are about."""


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer. Behaviours use its parts."""

    protocol_version = "HTTP/1.1"
    server_of: Server
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.path_asked = unquote(urlsplit(self.path).path).lstrip("/")
        headers = {name.lower(): text for name, text in self.headers.items()}
        behaviour = self.server_of.begin(Asked(self.path_asked, headers, urlsplit(self.path).path))
        try:
            behaviour(self)
        except OSError:  # the client went away
            self.close_connection = True
        finally:
            self.server_of.end()

    @property
    def content(self) -> bytes | None:
        file = self.server_of.folder / self.path_asked
        return file.read_bytes() if file.is_file() else None

    def honest(self) -> None:
        """What a good server answers."""
        content = self.content
        if content is None:
            self.answer(404, b"none of that name")
        else:
            self.give(content)

    def give(self, content: bytes) -> None:
        """This content, as good servers do it: the part that is asked for, or word that it is unchanged."""
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        validators = {"ETag": etag, "Last-Modified": formatdate(1_700_000_000, usegmt=True)}
        if self.headers.get("If-None-Match") == etag:
            self.answer(304, b"", validators)
            return
        asked = self.headers.get("Range", "")
        if not asked or self.headers.get("If-Range", etag) != etag:
            self.answer(200, content, validators)
            return
        start = int(asked.removeprefix("bytes=").split("-")[0])
        if start >= len(content):
            self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        span = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        self.answer(206, content[start:], validators | span)

    def answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.head(status, {"Content-Length": str(len(content))} | (headers or {}))
        self.body(content)

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()

    def body(self, content: bytes) -> None:
        view = memoryview(content)
        for at in range(0, len(view), 1 << 16):
            piece = view[at : at + (1 << 16)]
            self.sends(len(piece))  # before: who reads it may look at the account at once
            self.wfile.write(piece)

    def sends(self, count: int) -> None:
        self.server_of.count(self.path_asked, count)

    def hang_up(self) -> None:
        """End the connection at once."""
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        pass
