"""Files that are read where they lie, held to what a trusted index says of them."""

import hashlib
import os
from typing import BinaryIO

from moss.digest import PackageDigest
from moss.errors import CorruptData, NotFound, UsageError
from moss.fetch.uris import path_of, scheme_of, shown

_READ_BYTES = 1 << 20


def open_uri(uri: str) -> BinaryIO:
    """Open what a `file:` URI names; NotFound when it is not there, UsageError for what is on a server."""
    if scheme_of(uri) not in ("file", ""):
        raise UsageError(
            f"{shown(uri)} is on a server, and this is only read from this machine",
            remedies=["fetch it first, and name the file"],
        )
    path = path_of(uri)
    try:
        return open(path, "rb")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as fault:
        raise not_there(path) from fault


def not_there(path: str) -> NotFound:
    return NotFound(
        f"{path} is not there",
        remedies=["look whether the medium is mounted", "moss repo list", "moss index DIR makes an index"],
    )


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
        raise wrong_digest(name, hasher.hexdigest(), digest)
    file.seek(0)


def wrong_digest(name: str, found: str, wanted: str) -> CorruptData:
    return CorruptData(
        f"is not the file that the index names (SHA-256 {found}, wanted {wanted})",
        file=name,
        remedies=["moss repo update", "fetch the file anew"],
    )
