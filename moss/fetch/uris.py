"""URIs: what the person typed, what an index names, and what may be shown of one."""

import os
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from moss.errors import CorruptData, UsageError

NETWORK = ("http", "https")


def absolute_uri(text: str) -> str:
    """What the person typed as a URI: a path becomes `file:///…`; UsageError for unknown schemes."""
    scheme = urlsplit(text).scheme
    if scheme == "file":
        return text
    if scheme in NETWORK:
        return _with_host(text)
    if "://" in text:
        raise UsageError(
            f"{text}: moss cannot fetch over '{scheme}'", remedies=["use https://…, http://…, file:///… or a path"]
        )
    return uri_of_path(text)


def uri_of_path(path: str) -> str:
    return "file://" + os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def path_of(uri: str) -> str:
    """The path that a `file:` URI means."""
    return unquote(urlsplit(uri).path)


def scheme_of(uri: str) -> str:
    return urlsplit(uri).scheme


def relative_to(index_uri: str, uri: str) -> str:
    """The URI of something that an index names; it may not leave the repository's scheme and host."""
    try:
        joined = urljoin(index_uri, uri)
        base, target = urlsplit(index_uri), urlsplit(joined)
    except ValueError as fault:
        raise _elsewhere(index_uri, uri) from fault
    if (base.scheme, base.netloc) != (target.scheme, target.netloc):
        raise _elsewhere(index_uri, uri)
    return joined


def shown(uri: str) -> str:
    """The URI as messages have it: without the password in it."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _elsewhere(index_uri: str, uri: str) -> CorruptData:
    return CorruptData(
        f"names {uri!r}, which is in another place", file=shown(index_uri), remedies=["ask the repository's maker"]
    )


def _with_host(text: str) -> str:
    try:
        parts = urlsplit(text)
        named = parts.hostname is not None and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named or not text.isprintable() or " " in text:
        raise UsageError(f"{text} is no URI of a file on a server", remedies=["write https://HOST/PATH"])
    return text
