"""Getting files from where repositories have them.

A URI with the scheme `file`, or a plain path, is read in place; other schemes are refused until the
network has its transport. What is read is verified against the size and digest that a trusted index
gives, from the very file object that is parsed later: nothing verified is opened again by its path.
"""

import hashlib
import os
from typing import BinaryIO
from urllib.parse import unquote, urljoin, urlsplit

from moss.digest import PackageDigest
from moss.errors import CorruptData, NotFound, UsageError

_READ_BYTES = 1 << 20


def absolute_uri(text: str) -> str:
    """What the person typed as a URI: a path becomes `file:///…`; UsageError for unknown schemes."""
    scheme = urlsplit(text).scheme
    if scheme == "file":
        return text
    if "://" in text:
        raise UsageError(
            f"{text}: moss cannot fetch over '{scheme}' yet",
            remedies=["use a local path or a file:/// URI"],
        )
    path = os.path.abspath(text)
    return "file://" + path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def relative_to(index_uri: str, uri: str) -> str:
    """The URI of something that an index names; it may not leave the repository's scheme and host."""
    joined = urljoin(index_uri, uri)
    base, target = urlsplit(index_uri), urlsplit(joined)
    if (base.scheme, base.netloc) != (target.scheme, target.netloc):
        raise CorruptData(
            f"names {uri!r}, which is in another place", file=index_uri, remedies=["ask the repository's maker"]
        )
    return joined


def open_uri(uri: str) -> BinaryIO:
    """Open what a URI names; NotFound when it is not there."""
    path = unquote(urlsplit(uri).path)
    try:
        return open(path, "rb")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as fault:
        raise NotFound(
            f"{path} is not there",
            remedies=["look whether the medium is mounted", "moss repo list", "moss index DIR makes an index"],
        ) from fault


def verify(file: BinaryIO, name: str, *, digest: PackageDigest, size: int) -> None:
    """Read the whole file and compare it with what the index says; it is left at its beginning."""
    found = os.fstat(file.fileno()).st_size
    if found != size:
        raise CorruptData(
            f"has {found} bytes, the index says {size}", file=name, remedies=["moss repo update", "moss index DIR"]
        )
    hasher = hashlib.sha256()
    while chunk := file.read(_READ_BYTES):
        hasher.update(chunk)
    if hasher.hexdigest() != digest:
        raise CorruptData(
            f"is not the file that the index names (SHA-256 {hasher.hexdigest()}, wanted {digest})",
            file=name,
            remedies=["moss repo update", "fetch the file anew"],
        )
    file.seek(0)
