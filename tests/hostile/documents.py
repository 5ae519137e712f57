"""Malicious bundles, receipts, signed metadata and root indexes."""

import hashlib
import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import zstandard

from moss.cli.main import main
from moss.indexing import index
from tests.builders import Link, metadata, write_package
from tests.bundle.test_hostile import CONTENT, INDEX, PACKAGES, Parts, Payload
from tests.hostile.stones import zeros
from tests.hostile.world import Attack, Prepare, World
from tests.trust.signed import Maker

GIGABYTE = 1 << 30
NESTED = b"[" * 500_000


def made_bundle(world: World) -> Parts:
    """An honest bundle of a machine with one package, taken apart."""
    packages, other = world.folder / "packages", ["-D", str(world.folder / "a"), "-q"]
    write_package(packages, metadata("tool"), {"bin/tool": "tool", "share/text": "text" * 5000, "lib/l": Link("..")})
    index(str(packages))
    for words in (
        ("repo", "add", "main", str(packages / "stone.index"), "--unsigned"), ("install", "-y", "tool"),
        ("key", "make"), ("export", "-o", str(world.files / "sound")), ("receipt", "-o", str(world.files / "receipt")),
    ):  # fmt: skip
        assert main([*other, *words]) == 0, words
    return Parts.of((world.files / "sound").read_bytes())


def bundle(make: Callable[[Parts], bytes]) -> Prepare:
    """To be synced from, by who trusts nobody's signature and takes it all the same."""

    def prepare(world: World) -> tuple[str, ...]:
        path = world.write("evil.bundle", make(made_bundle(world)))
        return ("sync", "--from", str(path), "--unsigned", "-y")

    return prepare


def saying(change: Callable[[dict[str, Any]], None]) -> Prepare:
    """With another manifest."""

    def make(parts: Parts) -> bytes:
        manifest = parts.manifest
        change(manifest)
        return parts.say(manifest, None).pack()

    return bundle(make)


def raw_manifest(plain: bytes) -> Callable[[Parts], bytes]:
    def make(parts: Parts) -> bytes:
        first = replace(parts.payloads[0], stored=plain, plain_size=len(plain))
        return Parts(parts.header, [first, Payload(b"", 0, 0, 129, 1), *parts.payloads[2:]]).pack()

    return make


def with_plain(kind: int, change: Callable[[bytes], bytes]) -> Callable[[Parts], bytes]:
    """Other bytes in a payload; what the manifest says of it is made to fit."""

    def make(parts: Parts) -> bytes:
        at, told = parts.first(kind), change(parts.plain(kind))
        return swapped(parts, at, zstandard.compress(told), len(told))

    return make


def swelling(kind: int, size: int = GIGABYTE) -> Callable[[Parts], bytes]:
    return lambda parts: swapped(parts, parts.first(kind), zeros(size), size)


def swapped(parts: Parts, at: int, stored: bytes, plain_size: int) -> bytes:
    payloads = list(parts.payloads)
    payloads[at] = replace(payloads[at], stored=stored, plain_size=plain_size, compression=2)
    manifest = parts.manifest
    manifest["parts"][at - 2].update(
        stored_size=len(stored), plain_size=plain_size, compression=2, sha256=hashlib.sha256(stored).hexdigest()
    )
    return Parts(parts.header, payloads).say(manifest, None).pack()


def with_path(path: bytes) -> Prepare:
    """With another path in place of share/text, which is as long."""
    return bundle(with_plain(PACKAGES, lambda plain: plain.replace(b"share/text", path)))


def of_kind(kind: int, file_type: int) -> Prepare:
    """With share/text as something else than a file."""

    def change(plain: bytes) -> bytes:
        # uid, gid, mode, tag: 4 bytes each; lengths of source and path: 2 each; the kind, 11 bytes; then the source.
        record = plain.index(b"share/text") - 16 - 32
        mode = (file_type | 0o644).to_bytes(4, "big")
        return plain[: record + 8] + mode + plain[record + 12 : record + 20] + bytes((kind,)) + plain[record + 21 :]

    return bundle(with_plain(PACKAGES, change))


def told(**said: object) -> Prepare:
    """Of its package in the manifest."""
    return saying(lambda manifest: manifest["packages"][0].update(said))


BUNDLES: list[tuple[str, Prepare, tuple[int, ...]]] = [
    ("cut", bundle(lambda parts: parts.pack()[:-9]), (6, 7)),
    ("bytes behind its end", bundle(lambda parts: parts.pack() + b"x"), (6, 7)),
    ("a manifest nested without end", bundle(raw_manifest(NESTED)), (6, 7)),
    ("a manifest that is no object", bundle(raw_manifest(b"[]")), (6, 7)),
    ("a manifest with numbers without end", bundle(raw_manifest(b'{"format":' + b"9" * 100_000 + b"}")), (6, 7, 11)),
    ("a manifest that swells", bundle(lambda parts: Parts(parts.header, [
        replace(parts.payloads[0], stored=zeros(GIGABYTE), plain_size=GIGABYTE, compression=2), *parts.payloads[1:]
    ]).pack()), (6, 7)),
    ("packages that swell", bundle(swelling(PACKAGES, 250 << 20)), (6, 7)),
    ("an index that swells", bundle(swelling(INDEX, 250 << 20)), (6, 7)),
    ("content that swells", bundle(swelling(CONTENT, 8 * GIGABYTE)), (6, 7, 9)),
    ("a path that leads out", with_path(b"../../text"), (6, 7)),
    ("an absolute path", with_path(b"/etc/passw"), (6, 7)),
    ("a path of moss's own", with_path(b".stateID\0\0"), (6, 7)),
    ("a path twice", with_path(b"bin/tool\0\0"), (6, 7)),
    ("a file through a link", with_path(b"lib/l/text"), (6, 7)),
    ("a path with an escape and a newline", with_path(b"share/\n\x1b[m"), (0, 6, 7)),
    ("a character device", of_kind(4, stat.S_IFCHR), (6, 7)),
    ("a block device", of_kind(5, stat.S_IFBLK), (6, 7)),
    ("a FIFO", of_kind(6, stat.S_IFIFO), (6, 7)),
    ("a name with an escape and a newline", told(name="t\n\x1b[31ml"), (6, 7)),
    ("a version with an escape and a newline", told(version="1\n\x1b[31m"), (6, 7)),
    ("a repository with an escape and a newline", told(repository="m\n\x1b[31mn"), (0, 6, 7)),
    ("a name that leads out", told(name="../../../outside/tool"), (6, 7)),
    ("a package twice", saying(lambda said: said.update(packages=said["packages"] * 2)), (6, 7)),
    ("content of another digest", bundle(with_plain(CONTENT, lambda plain: b"T" + plain[1:])), (6, 7)),
    ("parts that are not there", saying(lambda said: said.update(parts=said["parts"] * 1000)), (6, 7)),
    ("a count without end", saying(lambda said: said.update(packages=1 << 62)), (0, 6, 7)),
    ("everything in it another type", saying(lambda said: said.update({key: {"a": [1]} for key in said})), (6, 7, 11)),
    ("the signature's payload swells", bundle(lambda parts: Parts(parts.header, [
        parts.payloads[0], Payload(zeros(GIGABYTE), GIGABYTE, 1, 129, 2), *parts.payloads[2:]
    ]).pack()), (6, 7)),
    ("the manifest twice", bundle(lambda parts: Parts(
        parts.header, [parts.payloads[0], parts.payloads[1], parts.payloads[0], *parts.payloads[2:]]
    ).pack()), (6, 7)),
]  # fmt: skip


def receipt(make: Callable[[Parts], bytes]) -> Prepare:
    """For which a bundle is to be made."""

    def prepare(world: World) -> tuple[str, ...]:
        made_bundle(world)
        path = world.write("evil.receipt", make(Parts.of((world.files / "receipt").read_bytes())))
        packages = world.folder / "packages"
        world.done("repo", "add", "main", str(packages / "stone.index"), "--unsigned")
        world.done("install", "-y", "tool")
        world.done("key", "make")
        return ("export", "--for", str(path), "-o", str(world.folder / "made"))

    return prepare


def _first(parts: Parts, plain: bytes) -> bytes:
    first = replace(parts.payloads[0], stored=plain, plain_size=len(plain), compression=1)
    return Parts(parts.header, [first, *parts.payloads[1:]]).pack()


RECEIPTS: list[tuple[str, Prepare, tuple[int, ...]]] = [
    ("cut", receipt(lambda parts: parts.pack()[:-3]), (7,)),
    ("nested without end", receipt(lambda parts: _first(parts, NESTED)), (7,)),
    ("one that swells", receipt(lambda parts: Parts(parts.header, [
        *parts.payloads[:-1], replace(parts.payloads[-1], stored=zeros(GIGABYTE), plain_size=GIGABYTE, compression=2)
    ]).pack()), (7,)),
    ("four billion records", receipt(lambda parts: Parts(parts.header, [
        replace(one, records=0xFFFFFFFF) for one in parts.payloads
    ]).pack()), (7,)),
]  # fmt: skip


def root_file(content: bytes) -> Prepare:
    """To be pinned as a root, which is the first that is read of a signed repository."""

    def prepare(world: World) -> tuple[str, ...]:
        maker = made_maker(world)
        root = world.write("root.json", content)
        return ("repo", "add", "evil", str(maker.index), "--trust", str(root))

    return prepare


def made_maker(world: World) -> Maker:
    maker = Maker(world.files)
    maker.keys("own")
    maker.stone("hello", "1.0")
    maker.publish()
    return maker


def metadata_file(name: str, content: Callable[[Maker], bytes]) -> Prepare:
    """Instead of what its maker has signed, or beside it."""

    def prepare(world: World) -> tuple[str, ...]:
        maker = made_maker(world)
        root = maker.metadata / "1.root.json"
        (maker.metadata / name).write_bytes(content(maker))
        return ("repo", "add", "evil", str(maker.index), "--trust", str(root))

    return prepare


def forged(name: str, change: Callable[[Any], None]) -> Prepare:
    """Signed rightly, by a maker who means harm."""

    def prepare(world: World) -> tuple[str, ...]:
        maker = made_maker(world)
        if name == "targets":
            maker.forge_targets(change, "own")
        else:
            maker.forge(name, change, "own")
        return ("repo", "add", "evil", str(maker.index), "--trust", str(maker.metadata / "1.root.json"))

    return prepare


def root_saying(**changes: object) -> bytes:
    said: dict[str, Any] = {
        "_type": "root", "spec_version": "1.0.31", "version": 1, "expires": "2999-01-01T00:00:00Z",
        "consistent_snapshot": True, "keys": {},
        "roles": {role: {"keyids": [], "threshold": 1} for role in ("root", "timestamp", "snapshot", "targets")},
    }  # fmt: skip
    return json.dumps({"signatures": [], "signed": said | changes}).encode()


def _names_out(said: Any) -> None:
    said.targets["../../../outside/precious"] = said.targets.pop("stone.index")


def _huge(said: Any) -> None:
    said.targets["stone.index"].length = 1 << 62


TUF: list[tuple[str, Prepare, tuple[int, ...]]] = [
    ("a root nested without end", root_file(NESTED), (6, 7)),
    ("a root of many megabytes", root_file(b'{"signed": "' + b"x" * (80 << 20) + b'"}'), (6, 7)),
    ("a root that is no object", root_file(b"[]"), (6, 7)),
    ("a root that nobody has signed", root_file(root_saying()), (6, 7)),
    ("a root with no threshold", root_file(root_saying(roles={
        role: {"keyids": [], "threshold": 0} for role in ("root", "timestamp", "snapshot", "targets")
    })), (6, 7)),
    ("a root with a hundred thousand keys", root_file(root_saying(keys={
        f"{n:064x}": {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": f"{n:064x}"}}
        for n in range(100_000)
    })), (6, 7)),
    ("a date that is none", root_file(root_saying(expires="99999-99-99T99:99:99Z\x1b[2J")), (6, 7)),
    ("a version without end", root_file(root_saying(version=10**4000)), (6, 7)),
    ("a timestamp nested without end", metadata_file("timestamp.json", lambda _: NESTED), (6, 7)),
    ("a timestamp of many megabytes", metadata_file("timestamp.json", lambda _: b" " * (80 << 20)), (6, 7)),
    ("a timestamp of a kind with an escape", metadata_file(
        "timestamp.json", lambda _: b'{"signed":{"_type":"\\u001b[2J"}}'
    ), (6, 7)),
    ("a next root of many megabytes", metadata_file("2.root.json", lambda _: b" " * (80 << 20)), (6, 7)),
    ("a next root that nobody trusts", metadata_file("2.root.json", lambda _: root_saying(version=2)), (6, 7)),
    ("a key twice in one object", metadata_file("timestamp.json", lambda maker: (
        maker.metadata / "timestamp.json"
    ).read_bytes().replace(b'"version"', b'"version": 9, "version"', 1)), (0, 6, 7)),
    ("a file that leads out", forged("targets", _names_out), (6, 7)),
    ("an index of four exabytes", forged("targets", _huge), (6, 7)),
]  # fmt: skip


def versioned(root: bytes) -> Prepare:
    """To be read as a versioned repository's root index."""

    def prepare(world: World) -> tuple[str, ...]:
        world.write("main/moss-root-index.json", root)
        return ("repo", "add", "evil", str(world.files), "--version", "stream/volatile", "--unsigned")

    return prepare


def leading_to(history: object) -> bytes:
    return json.dumps({"streams": {"volatile": {"format": "v0", "history": history}}}).encode()


ROOT_INDEXES: list[tuple[str, Prepare, tuple[int, ...]]] = [
    ("one nested without end", versioned(NESTED), (7,)),
    ("one of many megabytes", versioned(b'{"streams": ' + b" " * (80 << 20) + b"}"), (7,)),
    ("a history that leads out", versioned(leading_to("../../../outside")), (7,)),
    ("a history with an escape", versioned(leading_to("a\x1b[2J\nb")), (7,)),
    ("a history that is a list", versioned(leading_to(["a"])), (7,)),
    ("a format with an escape", versioned(
        b'{"streams": {"volatile": {"format": "\\u001b[2J", "history": "1"}}}'
    ), (11,)),
    ("streams with escapes", versioned(b'{"streams": {"\\u001b[2J\\n": {"format": "v0", "history": "1"}}}'), (3,)),
]  # fmt: skip


def attacks() -> Iterator[Attack]:
    for kind, made in (
        ("bundle", BUNDLES), ("receipt", RECEIPTS), ("TUF", TUF), ("root index", ROOT_INDEXES)
    ):  # fmt: skip
        for name, prepare, codes in made:
            yield Attack(kind, name, prepare, codes)
