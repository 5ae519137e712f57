"""Bundles that were cut, damaged, mixed or made to lie: refused with the reason, and nothing has changed."""

import hashlib
import json
import os
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import xxhash
import zstandard
from jsonschema import Draft202012Validator

from moss.db import bundles
from moss.operations.system import open_to_change
from moss.resources import schema_directory
from moss.trust import SecretKey, new_key
from tests.builders import snapshot
from tests.bundle.conftest import Moss, Pair

SLOW = bool(os.environ.get("MOSS_SLOW"))
CUTS = 200 if SLOW else 12
FLIPS = 2000 if SLOW else 40
MANIFEST, SIGNATURE, PACKAGES, DELTA_INDEX, DELTAS, INDEX, CONTENT = 128, 129, 130, 131, 132, 4, 2


@dataclass
class Payload:
    """A payload taken apart, without moss's own reader."""

    stored: bytes
    plain_size: int
    records: int
    kind: int
    compression: int

    def pack(self) -> bytes:
        return (
            struct.pack(">QQ", len(self.stored), self.plain_size)
            + xxhash.xxh3_64(self.stored).digest()
            + struct.pack(">IHBB", self.records, 1, self.kind, self.compression)
            + self.stored
        )


@dataclass
class Parts:
    """A bundle taken apart."""

    header: bytes
    payloads: list[Payload]

    @classmethod
    def of(cls, raw: bytes) -> "Parts":
        payloads, position = [], 32
        while position < len(raw):
            size, plain, _, records, _, kind, compression = struct.unpack_from(">QQ8sIHBB", raw, position)
            position += 32 + size
            payloads.append(Payload(raw[position - size : position], plain, records, kind, compression))
        return cls(raw[:32], payloads)

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.payloads[0].stored)
        return found

    def say(self, manifest: dict[str, Any], key: SecretKey | None) -> "Parts":
        """With another manifest, signed again by someone."""
        plain = json.dumps(manifest, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
        signature = b"" if key is None else key.public.raw + key.sign(b"moss.bundle/1\n" + plain)
        first = replace(self.payloads[0], stored=plain, plain_size=len(plain))
        second = Payload(signature, len(signature), int(bool(signature)), SIGNATURE, 1)
        return Parts(self.header, [first, second, *self.payloads[2:]])

    def first(self, kind: int) -> int:
        return next(at for at, payload in enumerate(self.payloads) if payload.kind == kind)

    def plain(self, kind: int) -> bytes:
        """What the first payload of a kind holds."""
        payload = self.payloads[self.first(kind)]
        return zstandard.decompress(payload.stored) if payload.compression == 2 else payload.stored

    def pack(self) -> bytes:
        header = self.header[:4] + struct.pack(">H", len(self.payloads)) + self.header[6:]
        return header + b"".join(payload.pack() for payload in self.payloads)


class Target:
    """Machine `b` at generation 1, which is offered one bad bundle after another."""

    def __init__(self, pair: Pair, moss: Moss) -> None:
        self.pair, self.moss = pair, moss
        key = moss("-D", pair.a, "key", "show").out.strip()
        assert moss("-D", pair.b, "key", "pin", "office", key).exit_code == 0
        self.old = self.export("old", "1")
        assert self.offer(self.old, "-y")[0] == 0
        assert moss("-D", pair.b, "receipt", "-o", pair.files / "receipt").exit_code == 0
        self.new = self.export("new")
        self.before = self.seen()

    def export(self, name: str, *words: object) -> bytes:
        file = self.pair.files / name
        assert self.moss("-D", self.pair.a, "export", *words, "-o", file).exit_code == 0
        return file.read_bytes()

    def offer(self, raw: bytes, *words: str) -> tuple[int, str]:
        file = self.pair.files / "offered"
        file.write_bytes(raw)
        ended = self.moss("-D", self.pair.b, "sync", "--from", file, *(words or ("-y",)))
        return ended.exit_code, ended.err

    @property
    def key(self) -> SecretKey:
        """What machine `a` signs with: an exporter who lies."""
        (secret,) = (self.pair.a / ".moss/keys").iterdir()
        return SecretKey(bytes.fromhex(secret.read_text().strip().partition(":")[2]))

    def lying(self, raw: bytes, kind: int, change: Any) -> bytes:
        """The bundle with other plain bytes in a payload; sizes, digests and signature are made to fit."""
        parts = Parts.of(raw)
        at = parts.first(kind)
        payload = parts.payloads[at]
        told = bytes(change(bytearray(parts.plain(kind))))
        stored = zstandard.compress(told)
        payloads = list(parts.payloads)
        payloads[at] = replace(payload, stored=stored, plain_size=len(told), compression=2)
        manifest = parts.manifest
        manifest["parts"][at - 2].update(
            stored_size=len(stored), plain_size=len(told), compression=2, sha256=hashlib.sha256(stored).hexdigest()
        )
        return Parts(parts.header, payloads).say(manifest, self.key).pack()

    def seen(self) -> dict[str, object]:
        """All that is there, but what failing leaves on purpose: the record, files in the store without a row."""
        found = snapshot(self.pair.b, without=(".moss/db", ".moss/assets"))
        found["generations"] = self.moss("-D", self.pair.b, "state", "list", "--json").out
        return found

    def refuses(self, raw: bytes, *words: str) -> str:
        """Why."""
        exit_code, why = self.offer(raw, *words)
        assert exit_code in (6, 7), (exit_code, why)
        assert "error: " in why and "Traceback" not in why
        assert self.seen() == self.before
        return " ".join(why.split())


@pytest.fixture
def target(pair: Pair, moss: Moss) -> Target:
    return Target(pair, moss)


def spread(size: int, count: int, seed: int) -> Sequence[int]:
    """Places all over, the ends and the first headers among them."""
    chosen = random.Random(seed).sample(range(size), min(count, size))
    return sorted({*chosen, 0, 1, 31, 32, 63, size - 1})


def test_the_bundle_itself_is_taken(target: Target) -> None:
    """So that what the tests below see is not refused for another reason."""
    assert Parts.of(target.new).pack() == target.new
    assert target.offer(target.new)[0] == 0
    assert (target.pair.b / "usr/.stateID").read_text().strip() == "2"


@pytest.mark.slow_too
def test_a_bundle_that_was_cut_is_refused(target: Target) -> None:
    for size in spread(len(target.new), CUTS, 1):
        assert "cut short" in target.refuses(target.new[:size])


@pytest.mark.slow_too
def test_a_flipped_bit_is_refused(target: Target) -> None:
    for place in spread(len(target.new) * 8, FLIPS, 2):
        raw = bytearray(target.new)
        raw[place // 8] ^= 1 << place % 8
        target.refuses(bytes(raw))
        if place % 8 == 0:
            target.refuses(bytes(raw), "-y", "--unsigned")


def test_every_bit_of_the_headers_counts(target: Target) -> None:
    """Of all headers, of which some have bits that no checksum is about."""
    places = list(range(32))
    position = 32
    for payload in Parts.of(target.new).payloads:
        places += range(position, position + 32)
        position += 32 + len(payload.stored)
    bits = [place * 8 + bit for place in places for bit in range(8)]
    for bit in bits if SLOW else random.Random(3).sample(bits, 40):
        raw = bytearray(target.new)
        raw[bit // 8] ^= 1 << bit % 8
        target.refuses(bytes(raw))


def test_bytes_behind_the_end_are_refused(target: Target) -> None:
    target.refuses(target.new + b"\0")


def test_swapped_payloads_are_refused(target: Target) -> None:
    parts = Parts.of(target.new)
    for first, second in ((2, 3), (3, 4), (0, 1), (1, 2)):
        swapped = list(parts.payloads)
        swapped[first], swapped[second] = swapped[second], swapped[first]
        target.refuses(Parts(parts.header, swapped).pack())


def test_payloads_of_another_bundle_are_refused(target: Target) -> None:
    new, old = Parts.of(target.new), Parts.of(target.old)
    for kind in (MANIFEST, SIGNATURE, PACKAGES, INDEX, CONTENT):
        mixed = list(new.payloads)
        mixed[new.first(kind)] = old.payloads[old.first(kind)]
        target.refuses(Parts(new.header, mixed).pack())


def test_a_signature_that_was_taken_off_or_made_by_another_is_refused(target: Target) -> None:
    parts = Parts.of(target.new)
    assert "not signed" in target.refuses(parts.say(parts.manifest, None).pack())
    assert "not pinned" in target.refuses(parts.say(parts.manifest, new_key()).pack())
    forged = list(parts.payloads)
    forged[1] = replace(forged[1], stored=forged[1].stored[:32] + os.urandom(64))
    assert "signature" in target.refuses(Parts(parts.header, forged).pack())
    # Another's signature under the pinned key's name.
    other = parts.say(parts.manifest, new_key()).payloads[1].stored
    forged[1] = replace(forged[1], stored=forged[1].stored[:32] + other[32:])
    assert "signature" in target.refuses(Parts(parts.header, forged).pack())
    assert "signature" in target.refuses(Parts(parts.header, forged).pack(), "-y", "--unsigned")


def test_an_old_bundle_is_refused_when_a_newer_one_was_taken(target: Target) -> None:
    assert target.offer(target.new)[0] == 0
    target.before = target.seen()
    assert "older" in target.refuses(target.old)
    parts = Parts.of(target.old)
    assert "older" in target.refuses(parts.say(parts.manifest, None).pack(), "-y", "--unsigned")


def lies(manifest: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a manifest could say that is not so, for an exporter who signs anything."""

    def changed(at: str, **changes: object) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(json.dumps(manifest))
        parts = told["parts"] if at == "parts" else told[at]
        (parts[-1] if isinstance(parts, list) else parts).update(changes)
        return told

    content = manifest["parts"][-1]
    yield "a larger stored size", changed("parts", stored_size=content["stored_size"] + 1)
    yield "a smaller stored size", changed("parts", stored_size=content["stored_size"] - 1)
    yield "an enormous stored size", changed("parts", stored_size=1 << 62)
    yield "a larger plain size", changed("parts", plain_size=content["plain_size"] + 1)
    yield "an enormous plain size", changed("parts", plain_size=1 << 62)
    yield "another digest", changed("parts", sha256="0" * 64)
    yield "no compression", changed("parts", compression=1)
    yield "an unknown kind", changed("parts", kind=77)
    yield "a number that is none", changed("parts", records="1")
    yield "a negative size", changed("parts", stored_size=-1)
    yield "fewer parts", {**manifest, "parts": manifest["parts"][:-1]}
    yield "no parts", {**manifest, "parts": []}
    yield "more parts", {**manifest, "parts": manifest["parts"] * 2}
    yield "another package", changed("packages", name="another")
    yield "another version", changed("packages", version="99")
    yield "a name that leads elsewhere", changed("packages", name="../../etc/passwd")
    yield "a name with an escape", changed("packages", name="\x1b[2Jx")
    yield "a package twice", {**manifest, "packages": manifest["packages"] * 2}
    yield "fewer packages", {**manifest, "packages": manifest["packages"][:-1]}
    yield "no system", changed("origin", system="")
    yield "what nobody knows", {**manifest, "extra": 1}
    yield "nothing", {}


def test_lies_that_are_signed_are_refused_too(target: Target, moss: Moss) -> None:
    parts = Parts.of(target.new)
    for what, told in lies(parts.manifest):
        exit_code, why = target.offer(parts.say(told, target.key).pack())
        assert exit_code in (6, 7), (what, exit_code, why)
        assert target.seen() == target.before, what


def test_lies_about_contents_are_refused(target: Target) -> None:
    """The digests of the parts are true, and what is in them does not fit together."""

    def with_plain(kind: int, change: Any) -> bytes:
        return target.lying(target.new, kind, change)

    def flipped(at: int) -> Any:
        def change(plain: bytearray) -> bytearray:
            plain[at] ^= 1
            return plain

        return change

    assert "other bytes than its digest says" in target.refuses(with_plain(CONTENT, flipped(5)))
    assert "bytes" in target.refuses(with_plain(CONTENT, lambda plain: plain[:-1]))
    assert "bytes" in target.refuses(with_plain(CONTENT, lambda plain: plain + b"x"))
    assert "covers bytes" in target.refuses(with_plain(INDEX, flipped(7)))
    target.refuses(with_plain(INDEX, lambda plain: plain[:-1]))
    target.refuses(with_plain(INDEX, lambda plain: plain + plain[-32:]))
    target.refuses(with_plain(PACKAGES, flipped(0)))
    target.refuses(with_plain(PACKAGES, lambda plain: plain[:-1]))
    target.refuses(with_plain(PACKAGES, lambda plain: plain + b"\0" * 56))
    target.refuses(with_plain(PACKAGES, lambda plain: plain.replace(b"share/extra", b"../../extra")))
    target.refuses(with_plain(PACKAGES, lambda plain: plain.replace(b"share/extra", b"share\n\x1b[2Jx")))


def test_lies_about_patches_are_refused(target: Target) -> None:
    lacking = target.export("lacking", "--for", target.pair.files / "receipt")
    parts = Parts.of(lacking)
    index = parts.plain(INDEX)
    assert parts.payloads[parts.first(DELTA_INDEX)].plain_size == 2 * 40

    def exchanged(plain: bytearray) -> bytes:
        """Each patch under the other one's name."""
        middle = 4 + int.from_bytes(plain[:4], "big")
        return bytes(plain[middle:] + plain[:middle])

    target.refuses(target.lying(lacking, DELTAS, exchanged))
    target.refuses(target.lying(lacking, DELTAS, lambda plain: plain[:-1]))
    target.refuses(target.lying(lacking, DELTAS, lambda plain: plain + plain))
    target.refuses(target.lying(lacking, DELTAS, lambda plain: plain[:40] + bytes((plain[40] ^ 1,)) + plain[41:]))
    # Another new content's digest: then what a layout names is neither carried nor here.
    exit_code, why = target.offer(
        target.lying(lacking, DELTA_INDEX, lambda plain: plain[:16] + os.urandom(16) + plain[32:])
    )
    assert exit_code == 3 and "does not have" in " ".join(why.split())
    assert target.seen() == target.before
    # One that is carried whole, twice the same, an enormous size.
    twice = target.lying(lacking, DELTA_INDEX, lambda plain: plain[:16] + index[16:32] + plain[32:])
    assert "carried whole and as a difference" in target.refuses(twice)
    target.refuses(target.lying(lacking, DELTA_INDEX, lambda plain: plain[:40] * 2))
    enormous = target.lying(lacking, DELTA_INDEX, lambda plain: plain[:32] + b"\x7f" * 8 + plain[40:])
    assert "no patch gives so many" in target.refuses(enormous)
    # The old content of one patch under the other's: it unpacks to what nobody asked for, or not at all.
    target.refuses(target.lying(lacking, DELTA_INDEX, lambda plain: plain[40:56] + plain[16:]))
    assert target.offer(lacking)[0] == 0


def test_a_patch_that_gives_other_bytes_is_refused(target: Target) -> None:
    """Of the right size, so that only its digest tells."""
    lacking = target.export("lacking", "--for", target.pair.files / "receipt")
    parts = Parts.of(lacking)
    sizes = parts.plain(DELTA_INDEX)
    size = int.from_bytes(sizes[32:40], "big")
    frame = zstandard.ZstdCompressor(level=3).compress(bytes(size))

    def other(plain: bytearray) -> bytes:
        middle = 4 + int.from_bytes(plain[:4], "big")
        return struct.pack(">I", len(frame)) + frame + bytes(plain[middle:])

    assert "gives other bytes" in target.refuses(target.lying(lacking, DELTAS, other))


def test_how_far_an_exporter_has_counted_never_goes_back(target: Target) -> None:
    with open_to_change(str(target.pair.b), command="moss test") as system:
        for number, expected in ((5, 5), (3, 5), (9, 9)):
            bundles.raise_counter(system.record, "0" * 32, b"", number)
            assert bundles.counter(system.record, "0" * 32, b"") == expected


def test_bytes_with_the_right_checksum_and_another_digest_are_refused(target: Target) -> None:
    """XXH3 can be made to fit by anybody; SHA-256 is what the signature is about."""
    parts = Parts.of(target.new)
    tried = 0
    for kind in (PACKAGES, INDEX, CONTENT):
        at = parts.first(kind)
        payload = parts.payloads[at]
        if payload.compression == 1:
            changed = [bytes((payload.stored[0] ^ 1,)) + payload.stored[1:]]
        else:
            plain = zstandard.decompress(payload.stored, payload.plain_size)
            packer = zstandard.ZstdCompressor(level=3)
            places = range(0, len(plain), 3)
            flipped = (plain[:place] + bytes((plain[place] ^ 1,)) + plain[place + 1 :] for place in places)
            fitting = (made for made in map(packer.compress, flipped) if len(made) == len(payload.stored))
            changed = list(islice(fitting, 3))
        for stored in changed:
            payloads = list(parts.payloads)
            payloads[at] = replace(payload, stored=stored)
            assert "SHA-256 differs" in target.refuses(Parts(parts.header, payloads).pack())
            tried += 1
    assert tried >= 3


def test_what_would_fill_the_memory_is_refused(target: Target) -> None:
    """Sizes are judged before anything of that size is allocated."""
    parts = Parts.of(target.new)
    bomb = Payload(b"[" + b"[]," * (1 << 21), 0, 1, MANIFEST, 1)
    bomb.plain_size = len(bomb.stored)
    target.refuses(Parts(parts.header, [bomb, *parts.payloads[1:]]).pack())
    deep = replace(parts.payloads[0], stored=b"[" * 200_000, plain_size=200_000)
    target.refuses(Parts(parts.header, [deep, *parts.payloads[1:]]).pack())
    large = replace(parts.payloads[0], stored=b" " * (9 << 20), plain_size=9 << 20)
    assert "limit" in target.refuses(Parts(parts.header, [large, *parts.payloads[1:]]).pack())
    raw = bytearray(target.new)
    raw[32:40] = struct.pack(">Q", 1 << 60)
    raw[40:48] = struct.pack(">Q", 1 << 60)
    target.refuses(bytes(raw))


def test_a_manifest_is_what_its_schema_says(target: Target) -> None:
    schema = json.loads(Path(schema_directory(), "json", "bundle-manifest.schema.json").read_text(encoding="utf-8"))
    for raw in (target.new, target.old, target.export("lacking", "--for", target.pair.files / "receipt")):
        Draft202012Validator(schema).validate(Parts.of(raw).manifest)


def test_a_newer_format_is_told(target: Target) -> None:
    parts = Parts.of(target.new)
    exit_code, why = target.offer(parts.say({**parts.manifest, "format": 2}, None).pack(), "-y", "--unsigned")
    assert exit_code == 11 and "format 2" in why
    raw = bytearray(target.new)
    raw[31] = 2
    exit_code, why = target.offer(bytes(raw))
    assert exit_code == 11 and "version 2" in why
    assert target.seen() == target.before


@pytest.mark.slow_too
def test_a_receipt_that_was_damaged_is_refused(target: Target, moss: Moss, tmp_path: Path) -> None:
    receipt = (target.pair.files / "receipt").read_bytes()
    damaged = tmp_path / "damaged"
    for place in spread(len(receipt) * 8, 400 if SLOW else 20, 4):
        raw = bytearray(receipt)
        raw[place // 8] ^= 1 << place % 8
        damaged.write_bytes(raw)
        ended = moss("-D", target.pair.a, "export", "--for", damaged, "-o", tmp_path / "out")
        assert ended.exit_code == 7, ended
        assert not (tmp_path / "out").exists()


def test_no_file_is_left_where_an_export_fails(pair: Pair, moss: Moss) -> None:
    """What the store holds is verified on its way out."""
    victim = next(path for path in (pair.a / ".moss/assets").rglob("*.4755.*") if path.is_file())
    victim.chmod(0o644)
    victim.write_bytes(b"something else")
    for plain in (pair.a / ".moss/assets").rglob(victim.name[:32] + "*"):
        plain.write_bytes(b"something else")
    ended = moss("-D", pair.a, "export", "-o", pair.files / "bad")
    assert ended.exit_code == 7 and "not what its name says" in " ".join(ended.err.split())
    assert list(pair.files.iterdir()) == []
