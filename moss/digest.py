"""Digests of content: the only module that knows xxhash.

XXH3 is what the stone format uses; it finds faults, not attackers. Where a digest must be trusted
(package identity), it is SHA-256.
"""

from typing import NewType, Protocol

import xxhash

ContentDigest = NewType("ContentDigest", bytes)
"""XXH3-128 of a file's content, 16 bytes, big-endian as in the format."""

PackageDigest = NewType("PackageDigest", str)
"""SHA-256 of a complete stone, 64 hexadecimal digits: a package's identity."""

EMPTY_CONTENT = ContentDigest(xxhash.xxh3_128(b"").digest())
"""The digest of a file of zero length."""


_READ_BYTES = 1 << 20


class Hasher(Protocol):
    """What the digests made here have in common."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


def content_hasher() -> Hasher:
    """Digest file content piece by piece (XXH3-128)."""
    return xxhash.xxh3_128()


def content_digest(content: bytes | memoryview) -> ContentDigest:
    return ContentDigest(xxhash.xxh3_128(content).digest())


def content_digest_of_file(path: str) -> ContentDigest:
    hasher = xxhash.xxh3_128()
    with open(path, "rb") as file:
        while chunk := file.read(_READ_BYTES):
            hasher.update(chunk)
    return ContentDigest(hasher.digest())


def checksum_hasher() -> Hasher:
    """Digest a payload's stored bytes piece by piece (XXH3-64, seed 0)."""
    return xxhash.xxh3_64()


def payload_checksum(stored: bytes | memoryview) -> bytes:
    return xxhash.xxh3_64(stored).digest()


def package_digest_of_file(path: str) -> PackageDigest:
    import hashlib  # OpenSSL: 2 ms, which most commands never need

    with open(path, "rb") as stone:
        return PackageDigest(hashlib.file_digest(stone, "sha256").hexdigest())
