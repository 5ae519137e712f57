"""What repositories have signed, carried along in a bundle: so their packages are proven where no network is.

    name length u16 | size u32 | name | bytes        repeated, by name, a payload for each repository

The names are those below DIR/tuf beside a repository's index (docs/trust.md), and `repository`, which holds what
the exporter calls it. Nothing of it is believed here: moss.operations.proving verifies it as if it came over a network.
"""

import re
import struct
from collections.abc import Mapping

from moss.stone.container import Place
from solver.values import value

_HEAD = struct.Struct(">HI")
_REPOSITORY = "repository"
_NAME = re.compile(
    r"[1-9][0-9]{0,8}\.(?:root|snapshot|targets)\.json|timestamp\.json|targets/[0-9a-f]{64}\.stone\.index"
)
_CALLED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


@value
class SignedOrigin:
    """A repository's signed metadata and its index, by the names that they have below DIR/tuf."""

    repository: str
    """What the exporter calls it."""
    files: Mapping[str, bytes]

    @property
    def roots(self) -> list[str]:
        """The names of its roots, the oldest first."""
        names = [name for name in self.files if name.endswith(".root.json")]
        return sorted(names, key=lambda name: int(name.split(".")[0]))

    def encode(self) -> tuple[bytes, int]:
        """The payload's plain bytes, and how many records it has."""
        all_files = {_REPOSITORY: self.repository.encode(), **self.files}
        pieces: list[bytes] = []
        for name, content in sorted(all_files.items()):
            pieces += (_HEAD.pack(len(name), len(content)), name.encode(), content)
        return b"".join(pieces), len(all_files)


def decode_origin(plain: bytes, records: int, place: Place) -> SignedOrigin:
    """CorruptData where it is not what `encode` would write, or has files of other names."""
    files: dict[str, bytes] = {}
    position, last = 0, ""
    while position < len(plain):
        start = position + _HEAD.size
        if start > len(plain):
            raise place.fault("a file is cut short")
        length, size = _HEAD.unpack_from(plain, position)
        position = start + length + size
        name = plain[start : start + length].decode("ascii", "replace")
        if position > len(plain):
            raise place.fault(f"the file {name[:80]!r} is cut short")
        if name <= last or not (name == _REPOSITORY or _NAME.fullmatch(name)):
            raise place.fault(f"{name[:80]!r} is no name of signed metadata, or comes out of order")
        files[name] = plain[start + length : position]
        last = name
    called = files.pop(_REPOSITORY, b"").decode("ascii", "replace")
    if len(files) + 1 != records or not _CALLED.match(called):
        raise place.fault("it does not say which repository it is of, or holds another number of files")
    return SignedOrigin(called, files)
