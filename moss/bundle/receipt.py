"""A receipt: what a system has, in a few kilobytes, so that a bundle made for it can leave that out.

    file header (type 129) | receipt: a manifest payload of canonical JSON

It names packages, not files: whoever exports knows their files when it has, or had, the packages too.
"""

import json
import re
from typing import BinaryIO

from moss.bundle.parts import read_file_header, read_first
from moss.digest import PackageDigest, payload_checksum
from moss.path_filter import PathFilter, as_plain, from_plain
from moss.root import GenerationId
from moss.stone.container import Compression, FileHeader, PayloadHeader, PayloadKind, StoneKind
from moss.stone.objects import json_object
from moss.stone.streams import Source, Writable
from solver.values import value

FORMAT = 1
_SYSTEM = re.compile(r"[0-9a-f]{32}\Z")
_DIGESTS = re.compile(r"(?:[0-9a-f]{64})*\Z")


@value
class Receipt:
    system: str
    """Whose it is: the system's own number."""
    generation: GenerationId | None
    """The active one."""
    packages: frozenset[PackageDigest]
    """All whose files are in its store."""
    filtered: tuple[tuple[PathFilter, frozenset[PackageDigest]], ...] = ()
    """Others, by what is left out of them."""

    @property
    def all_packages(self) -> frozenset[PackageDigest]:
        """Whose statement and layout it has."""
        return self.packages.union(*(digests for _, digests in self.filtered))

    def write(self, target: Writable) -> int:
        """Write it; how many bytes."""
        plain = self._encode()
        header = PayloadHeader(
            len(plain), len(plain), payload_checksum(plain), 1, PayloadKind.BUNDLE_MANIFEST, Compression.NONE
        )
        whole = FileHeader(1, StoneKind.RECEIPT).pack() + header.pack() + plain
        target.write(whole)
        return len(whole)

    def _encode(self) -> bytes:
        plain = {
            "format": FORMAT,
            "system": self.system,
            "generation": self.generation,
            "packages": "".join(sorted(self.packages)),
            "filtered": [
                {"omissions": as_plain(path_filter), "packages": "".join(sorted(digests))}
                for path_filter, digests in self.filtered
            ],
        }
        return json.dumps(plain, ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode()


def read_receipt(file: BinaryIO, name: str) -> Receipt:
    """CorruptData where it is no receipt, or a bad one; FormatTooNew for a later format."""
    source = Source(file, name)
    payloads = read_file_header(source, StoneKind.RECEIPT)
    plain, place = read_first(source, PayloadKind.BUNDLE_MANIFEST)
    if payloads != 1:
        raise place.fault(f"a receipt has one payload, this one {payloads}")
    source.expect_end()
    found = json_object(plain, place, "it")
    number, system, generation = found.get("format"), found.get("system"), found.get("generation")
    if isinstance(number, int) and number > FORMAT:
        raise place.too_new(f"the receipt is of format {number}, this moss reads {FORMAT}")
    try:
        digests = _digests(found.get("packages"))
        filtered = tuple((from_plain(one["omissions"]), _digests(one["packages"])) for one in found["filtered"])
    except (KeyError, TypeError, ValueError) as fault:
        raise place.fault("it does not say what a receipt says") from fault
    if not (isinstance(system, str) and _SYSTEM.match(system)) or not (
        generation is None or (type(generation) is int and generation > 0)
    ):
        raise place.fault("it does not say what a receipt says")
    receipt = Receipt(system, None if generation is None else GenerationId(generation), digests, filtered)
    if receipt._encode() != plain:
        raise place.fault("it is not written canonically, or says what no receipt says")
    return receipt


def _digests(found: object) -> frozenset[PackageDigest]:
    if not isinstance(found, str) or not _DIGESTS.match(found):
        raise ValueError("no digests")
    return frozenset(PackageDigest(found[at : at + 64]) for at in range(0, len(found), 64))
