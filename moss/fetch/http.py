"""HTTP and HTTPS, by urllib3: connections kept and shared among threads, nothing followed or retried unseen.

Whoever answers may be hostile. Time is bounded at each step: for the connection, for what comes before the
content (as a whole), for silence in the content and for its speed. Redirects stay within HTTP, are
counted, and never leave HTTPS. What may be wrong for now only is a TemporaryFailure.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError, MaxRetryError, ProxyError, SSLError

from moss import __version__
from moss.errors import NetworkFailure, NotFound, UsageError
from moss.fetch.connections import Connections
from moss.fetch.manners import Manners
from moss.fetch.transport import NoSuchRange, Refused, Response, Status, TemporaryFailure, Validators
from moss.fetch.uris import NETWORK, scheme_of, shown

_PIECE = 1 << 17
_LONGEST_VALIDATOR = 1024
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (404, 410)
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class Http:
    """`http:` and `https:` URIs; through the proxies that the environment names."""

    def __init__(self, manners: Manners) -> None:
        self.manners = manners
        self.is_offline = False
        self._proxies = getproxies_environment()
        self._connections = Connections(manners)
        self._pools: dict[str | None, urllib3.PoolManager] = {}

    @contextmanager
    def open(self, uri: str, *, offset: int = 0, known: Validators | None = None) -> Iterator[Response]:
        answer, final = self._follow(uri, _headers(offset, known or Validators()))
        try:
            yield self._response(answer, final, offset)
        finally:
            # What was read to its end gave its connection back already; another is of no use.
            answer.close()
            answer.release_conn()

    def interrupt(self) -> None:
        self._connections.end()

    def _follow(self, uri: str, headers: Mapping[str, str]) -> tuple[urllib3.BaseHTTPResponse, str]:
        """The answer to a request, and to those that redirects lead to: what is at the end, and where that is."""
        asked = uri
        for _ in range(self.manners.redirects + 1):
            answer = self._ask(asked, headers)
            if answer.status not in _REDIRECTS:
                return answer, asked
            answer.close()
            target = _redirected(asked, answer.headers.get("Location", ""))
            asked = target
        raise NetworkFailure(
            f"{shown(uri)} leads from one place to the next, more than {self.manners.redirects} times",
            remedies=["look whether the URI is right"],
        )

    def _ask(self, uri: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        parts = urlsplit(uri)
        with self._told(uri):
            return self._pool_for(uri).urlopen(
                "GET",
                parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl(),
                headers={**headers, **_authorization(parts.username, parts.password)},
                timeout=urllib3.Timeout(connect=self.manners.connect, read=self.manners.silence),
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )

    def _response(self, answer: urllib3.BaseHTTPResponse, uri: str, offset: int) -> Response:
        said = Validators(_validator(answer.headers.get("ETag")), _validator(answer.headers.get("Last-Modified")))
        match answer.status:
            case 200:
                length = _number(answer.headers.get("Content-Length"))
                return Response(Status.WHOLE, uri, length, said, self._pieces(answer, uri))
            case 206 if offset:
                start, length = _content_range(answer.headers.get("Content-Range", ""), uri)
                if start != offset:
                    raise NetworkFailure(f"{shown(uri)}: the server sends from byte {start}, not {offset} as asked")
                return Response(Status.PART, uri, length, said, self._pieces(answer, uri))
            case 304:
                return Response(Status.UNCHANGED, uri, None, said, iter(()))
            case 416 if offset:
                raise NoSuchRange(f"{shown(uri)} has nothing at byte {offset}")
            case _:
                raise self._refused(answer, uri)

    def _refused(self, answer: urllib3.BaseHTTPResponse, uri: str) -> NetworkFailure | NotFound:
        said = f"{answer.status} {answer.reason or ''}".strip()
        if answer.status in _GONE:
            return NotFound(f"{shown(uri)} is not there ({said})", remedies=["moss repo update", "moss repo list"])
        if answer.status in _PASSING:
            failure = TemporaryFailure(f"{shown(uri)}: the server says {said}", remedies=["try again later"])
            failure.wait = _wait(answer.headers.get("Retry-After", ""))
            return failure
        remedy = "look whether the URI, and name and password in it, are right"
        refused = Refused(f"{shown(uri)}: the server says {said}", remedies=[remedy])
        refused.status = answer.status
        return refused

    def _pieces(self, answer: urllib3.BaseHTTPResponse, uri: str) -> Iterator[bytes]:
        speed = Speed(self.manners, uri)
        while True:
            began = time.monotonic()
            with self._told(uri):
                piece = answer.read1(_PIECE, decode_content=False)
            if not piece:
                return
            speed.count(len(piece), time.monotonic() - began)
            yield piece

    def _pool_for(self, uri: str) -> urllib3.PoolManager:
        proxy = self._proxy_for(uri)
        if proxy not in self._pools:
            self._pools[proxy] = self._connections.pools(proxy)
        return self._pools[proxy]

    def _proxy_for(self, uri: str) -> str | None:
        parts = urlsplit(uri)
        proxy = self._proxies.get(parts.scheme) or self._proxies.get("all")
        if not proxy or proxy_bypass_environment(parts.netloc.rpartition("@")[2], self._proxies):
            return None
        named = proxy if "://" in proxy else f"http://{proxy}"
        if scheme_of(named) not in NETWORK:
            raise UsageError(
                f"{parts.scheme}_proxy names {shown(named)}: moss goes through http and https proxies only",
                remedies=[f"{parts.scheme}_proxy=http://HOST:PORT", f"no_proxy={parts.hostname}"],
            )
        return named

    @contextmanager
    def _told(self, uri: str) -> Iterator[None]:
        """What goes wrong in urllib3, in words."""
        try:
            yield
        except (HTTPError, OSError, ValueError) as fault:
            raise _failure(fault, uri) from fault


class Speed:
    """Notices content that trickles: too few bytes in the seconds that were spent waiting for them."""

    def __init__(self, manners: Manners, uri: str) -> None:
        self._manners, self._uri = manners, uri
        self._seconds, self._bytes = 0.0, 0

    def count(self, bytes_read: int, seconds: float) -> None:
        """TemporaryFailure where it is too slow."""
        self._bytes += bytes_read
        self._seconds += seconds
        if self._seconds < self._manners.slow:
            return
        if self._bytes < self._manners.slow_bytes * self._seconds:
            raise TemporaryFailure(
                f"{shown(self._uri)}: {self._bytes} bytes came in {self._seconds:.0f} s, which is too slow",
                remedies=["try again later", "use another mirror"],
            )
        self._seconds, self._bytes = 0.0, 0


def _headers(offset: int, known: Validators) -> dict[str, str]:
    headers = {"User-Agent": f"moss/{__version__}", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if known.strong:
            headers["If-Range"] = known.strong
    else:
        headers |= {"If-None-Match": known.etag} if known.etag else {}
        headers |= {"If-Modified-Since": known.last_modified} if known.last_modified else {}
    return headers


def _authorization(name: str | None, password: str | None) -> dict[str, str]:
    if name is None:
        return {}
    return urllib3.make_headers(basic_auth=f"{unquote(name)}:{unquote(password or '')}")


def _redirected(uri: str, location: str) -> str:
    """Where a redirect leads; NetworkFailure where moss does not go there."""
    try:
        target = urljoin(uri, location)
        parts = urlsplit(target)
        there = bool(location and parts.hostname)
    except ValueError:
        there = False
    if not there or parts.scheme not in NETWORK or not target.isprintable():
        raise NetworkFailure(f"{shown(uri)} leads to {location[:200]!r}, where moss does not go")
    if scheme_of(uri) == "https" and parts.scheme != "https":
        raise NetworkFailure(
            f"{shown(uri)} leads to {shown(target)}, out of https",
            remedies=["ask the server's maker", "name the other place yourself, if it will do"],
        )
    return target


def _validator(text: str | None) -> str:
    """What may be sent back to the server later."""
    return text if text and len(text) <= _LONGEST_VALIDATOR and text.isascii() and text.isprintable() else ""


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else None


def _content_range(text: str, uri: str) -> tuple[int, int | None]:
    """Of `bytes 5-9/10`: 5 and 10."""
    unit, _, rest = text.partition(" ")
    span, _, length = rest.partition("/")
    start = _number(span.partition("-")[0])
    if unit != "bytes" or start is None:
        raise NetworkFailure(f"{shown(uri)}: the server sends a part and does not say which ({text[:100]!r})")
    return start, _number(length)


def _wait(text: str) -> float:
    """The seconds that Retry-After says; 0 where it says nothing useful."""
    if (seconds := _number(text)) is not None:
        return float(seconds)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _failure(fault: Exception, uri: str) -> NetworkFailure:
    """What a fault of urllib3 or the system means."""
    if isinstance(fault, MaxRetryError) and fault.reason is not None:
        fault = fault.reason
    if isinstance(fault, SSLError) or (isinstance(fault, ProxyError) and isinstance(fault.original_error, SSLError)):
        return NetworkFailure(
            f"{shown(uri)}: there is no safe connection ({_reason(fault)})",
            remedies=["look at the machine's clock: date", "install the system's certificates: ca-certificates"],
        )
    if isinstance(fault, LocationParseError | ValueError):
        return NetworkFailure(f"{shown(uri)} is no URI of a file on a server ({fault})", remedies=["moss repo list"])
    return TemporaryFailure(
        f"{shown(uri)} cannot be read: {_reason(fault)}",
        remedies=["look whether the network is up", "try again later"],
    )


def _reason(fault: BaseException) -> str:
    """The last cause, which is the one that says something."""
    while (cause := fault.__cause__ or fault.__context__) is not None and str(cause):
        fault = cause
    return str(fault).rstrip(".") or type(fault).__name__
