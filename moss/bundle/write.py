"""Writing a bundle: what follows the manifest goes into an unnamed file first, since the manifest, which
has its digests, comes before it and a pipe cannot be written backwards.

    file header | manifest | signature | packages … | index | [delta index | deltas …] | content …
"""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import NamedTuple

from moss.bundle.manifest import SIGNED_PREFIX, Manifest, Part, decode_manifest
from moss.bundle.parallel import in_order
from moss.bundle.parts import part_fault
from moss.digest import payload_checksum
from moss.errors import UsageError
from moss.stone.container import (
    MAX_PAYLOADS,
    MIB,
    PIECE,
    Compression,
    FileHeader,
    PayloadHeader,
    PayloadKind,
    Place,
    StoneKind,
)
from moss.stone.streams import FrameCompressor, Writable
from moss.trust import SecretKey
from solver.values import replace

BLOCK = 8 * MIB
"""Contents are one long row of bytes, cut into blocks of this size, each a payload of its own."""

DEFAULT_LEVEL = 3


class Written(NamedTuple):
    """What became of a bundle."""

    size: int
    manifest: Manifest


class BundleWriter:
    """Collects payloads in the order in which they will lie in the bundle."""

    def __init__(self, spool_directory: str | None, level: int = DEFAULT_LEVEL) -> None:
        self.level = level
        self.spool_directory = spool_directory
        self.parts: list[Part] = []
        self._checksums: list[bytes] = []
        self._spool = tempfile.TemporaryFile(dir=spool_directory)  # noqa: SIM115 - closed in __exit__

    def __enter__(self) -> "BundleWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    def add(self, kind: PayloadKind, plain: bytes, records: int) -> None:
        """A payload that lies in memory; compressed where that makes it smaller."""
        self._keep(_made(kind, plain, records, self.level))

    def add_contents(self, pieces: Iterable[bytes]) -> None:
        """The contents, one after the other, as the index lists them."""
        level = self.level
        blocks = in_order(
            lambda block: _made(PayloadKind.CONTENT, block, 0, level), _blocks(pieces)
        )
        for made in blocks:
            self._keep(made)

    def write(self, target: Writable, manifest: Manifest, key: SecretKey | None) -> Written:
        """Write the bundle whole. `manifest` is without parts yet."""
        if len(self.parts) + 2 > MAX_PAYLOADS:
            raise UsageError(
                f"{len(self.parts)} parts are more than a bundle can have",
                remedies=["make it for a receipt, so that it holds less: moss export --for RECEIPT"],
            )
        whole = replace(manifest, parts=tuple(self.parts))
        plain = whole.encode()
        decode_manifest(plain, Place("the manifest", 0, "manifest payload"))
        size = 0

        def write(piece: bytes) -> None:
            nonlocal size
            size += len(piece)
            target.write(piece)

        write(FileHeader(len(self.parts) + 2, StoneKind.BUNDLE).pack())
        for kind, stored, records in (
            (PayloadKind.BUNDLE_MANIFEST, plain, 1),
            (PayloadKind.SIGNATURE, *_signature(plain, key)),
        ):
            write(_header(kind, Compression.NONE, records, len(stored), len(stored), payload_checksum(stored)))
            write(stored)
        self._spool.seek(0)
        for part, checksum in zip(self.parts, self._checksums, strict=True):
            write(
                _header(part.kind, part.compression, part.records, part.stored_size, part.plain_size, checksum)
            )
            left = part.stored_size
            while left:
                piece = self._spool.read(min(left, PIECE))
                left -= len(piece)
                write(piece)
        return Written(size, whole)

    def _keep(self, made: "_Made") -> None:
        if fault := part_fault(made.part):
            raise UsageError(f"this is more than a bundle can hold: {fault}")
        self.parts.append(made.part)
        self._checksums.append(made.checksum)
        self._spool.write(made.stored)


class _Made(NamedTuple):
    part: Part
    checksum: bytes
    stored: bytes


def _made(kind: PayloadKind, plain: bytes, records: int, level: int) -> _Made:
    stored, compression = FrameCompressor(level).frame(plain), Compression.ZSTD
    if len(stored) >= len(plain):
        stored, compression = plain, Compression.NONE
    digest = hashlib.sha256(stored).hexdigest()
    return _Made(
        Part(kind, compression, records, len(stored), len(plain), digest), payload_checksum(stored), stored
    )


def _signature(plain: bytes, key: SecretKey | None) -> tuple[bytes, int]:
    """Public key and signature; nothing where nobody signs."""
    if key is None:
        return b"", 0
    return key.public.raw + key.sign(SIGNED_PREFIX + plain), 1


def _header(
    kind: PayloadKind, compression: Compression, records: int, stored: int, plain: int, checksum: bytes
) -> bytes:
    return PayloadHeader(stored, plain, checksum, records, kind, compression).pack()


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        while size + len(piece) >= BLOCK:
            gathered.append(piece[: BLOCK - size])
            piece = piece[BLOCK - size :]
            yield b"".join(gathered)
            gathered, size = [], 0
        gathered.append(piece)
        size += len(piece)
    if size:
        yield b"".join(gathered)
