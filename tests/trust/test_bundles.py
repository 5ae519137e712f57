"""A bundle carries what the repositories of its packages have signed, and is proven on a machine that is never online
against their own keys, which are pinned there; with all of TUF's attacks on `sync --from`."""

import contextlib
import hashlib
import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import MetaFile

from moss.bundle.manifest import SIGNED_PREFIX
from moss.bundle.origins import SignedOrigin
from moss.operations.system import default_effects
from moss.package import Relations
from moss.path_filter import Omission
from moss.trust import new_key
from solver import Provide, parse_formula, parse_relation
from solver.values import replace
from tests.builders import Content, Dir, File, Link, metadata, write_package
from tests.cli.conftest import Moss
from tests.trust.conftest import User
from tests.trust.signed import Maker, expired, forge, hand_over, state


@pytest.fixture
def lonely(maker: Maker, user: User, tmp_path: Path, moss: Moss) -> User:
    """A machine that was never online: it has the root, from a person, and knows nothing else of the repository."""
    lonely = User(tmp_path / "lonely", moss)
    lonely.done(
        "repo", "add", "origin", "file:///nowhere/stone.index",
        "--trust", maker.metadata / "1.root.json", "--offline",
    )  # fmt: skip
    return lonely


def export(user: User, name: str = "bundle", *words: object) -> Path:
    path = user.root.with_name(name)
    user.done("export", "-o", path, *words)
    return path


def news(maker: Maker, user: User, version: str = "1.1") -> None:
    maker.stone("hello", version)
    maker.publish()
    user.done("update", "-y")


def test_a_machine_that_was_never_online_proves_a_bundle_by_its_origins_keys(
    maker: Maker, user: User, lonely: User
) -> None:
    shutil.rmtree(maker.repository.with_name("gone"), ignore_errors=True)
    bundle = export(user)
    maker.repository.rename(maker.repository.with_name("gone"))
    plan = lonely.done("sync", "--from", bundle, "-n")
    assert "proven by what their repository has signed: origin (1)" in " ".join(plan.split())
    assert "Unsigned" not in plan
    data = json.loads(lonely.done("sync", "--from", bundle, "-n", "--json"))["data"]["plan"]
    assert data["sources"] == [{"repository": "origin", "packages": 1, "vouched_by": "root", "stale_days": 0}]
    trust = lonely.root / ".moss/trust/origin"
    assert not list(trust.rglob("timestamp.json")), "a dry run changes nothing"
    lonely.done("sync", "--from", bundle, "-y")
    assert lonely.has("hello") == "hello 1.0"
    assert "number 1" in lonely.done("repo", "trust", "origin")
    inspected = lonely.done("bundle", "inspect", bundle)
    assert "main" in inspected and "root 1" in inspected


def test_an_update_comes_the_same_way_as_a_difference(maker: Maker, user: User, lonely: User) -> None:
    lonely.done("sync", "--from", export(user), "-y")
    maker.stone("other", "1.0", "hello 1.0")  # a content that is there already
    news(maker, user)
    user.done("install", "-y", "other")
    receipt = user.root.with_name("receipt")
    lonely.done("receipt", "-o", receipt)
    lonely.done("sync", "--from", export(user, "more", "--for", receipt), "-y")
    assert (lonely.has("hello"), lonely.has("other")) == ("hello 1.1", "hello 1.0")


def test_roots_are_followed_in_the_bundle(maker: Maker, user: User, lonely: User) -> None:
    maker.keys("new")
    maker.done(
        "trust", "rotate", maker.repository, "--key", "own", "--key", "new", "--add", "all=new", "--remove", "all=own"
    )
    user.done("repo", "update")
    lonely.done("sync", "--from", export(user), "-y")
    assert "root 2" in lonely.done("repo", "trust", "origin")


def test_who_does_not_trust_the_origin_needs_another_word(user: User, tmp_path: Path, moss: Moss) -> None:
    bundle = export(user)
    stranger = User(tmp_path / "stranger", moss)
    ended = stranger.moss("sync", "--from", bundle, "-y")
    assert ended.exit_code == 6
    assert "no repository that is trusted here has signed what it holds of: hello 1.0" in ended.err
    stranger.done("sync", "--from", bundle, "-y", "--unsigned")


def test_what_no_repository_has_signed_needs_the_exporters_key(maker: Maker, user: User, lonely: User) -> None:
    own = Maker(user.root.with_name("own-packages"))
    own.stone("mine", "1.0")
    own.done("index", own.repository)
    user.done("repo", "add", "own", own.index, "--unsigned")
    user.done("install", "-y", "mine")
    user.done("key", "make", "own")
    bundle = export(user)
    before = state(lonely.root)
    ended = lonely.moss("sync", "--from", bundle, "-y")
    assert ended.exit_code == 6 and "has signed what it holds of: mine 1.0" in ended.err and "key pin" in ended.err
    assert state(lonely.root) == before
    lonely.done("key", "pin", "friend", user.done("key", "show", "own").strip())
    data = json.loads(lonely.done("sync", "--from", bundle, "-n", "--json"))["data"]["plan"]
    assert {one["repository"]: one["vouched_by"] for one in data["sources"]} == {"origin": "root", "own": "keys"}
    lonely.done("sync", "--from", bundle, "-y")
    assert lonely.has("mine") == "mine 1.0"


def test_what_its_repository_does_not_list_any_more_is_not_proven(maker: Maker, user: User, lonely: User) -> None:
    next(maker.repository.glob("hello-1.0*")).unlink()
    maker.stone("hello", "1.1")
    maker.publish()
    user.done("repo", "update")
    ended = lonely.moss("sync", "--from", export(user), "-y")
    assert ended.exit_code == 6 and "hello 1.0" in ended.err


def test_an_index_without_content_ids_proves_nothing(maker: Maker, user: User, lonely: User) -> None:
    from moss.stone.repository_index import read_index, write_index_file
    from moss.tuf import signing

    plain = [replace(one, content_id=None) for one in read_index(str(maker.index))]
    write_index_file(str(maker.index), plain)
    signing.publish(str(maker.repository), [maker.secret("own")], default_effects(), int(time.time()))
    user.done("repo", "update")
    ended = lonely.moss("sync", "--from", export(user), "-y")
    assert ended.exit_code == 6 and "hello 1.0" in ended.err


# Attacks. Who makes the bundle is the attacker: nobody has pinned its key, and what it says of itself is made up.

Change = Callable[[dict[str, bytes], "Attacker"], None]


class Attacker:
    """Makes a bundle of the user's into another one, signed by a key of its own."""

    def __init__(self, maker: Maker, folder: Path) -> None:
        self.maker, self.folder = maker, folder

    def forge(self, files: dict[str, bytes], name: str, change: Callable[[Any], None], *keys: str) -> None:
        path = self.folder / name.replace("/", "_")
        path.write_bytes(files[name])
        forge(path, change, *(self.maker.secret(key) for key in keys))
        files[name] = path.read_bytes()


def rewritten(
    bundle: Path, change: Callable[[dict[str, bytes]], None], lie: Callable[[Any], Any] = lambda manifest: manifest
) -> None:
    """The bundle with other files of its origin, or another manifest; all digests and the exporter's signature are
    made to fit."""
    from moss.bundle.manifest import decode_manifest
    from moss.bundle.origins import decode_origin
    from moss.bundle.parts import read_file_header, read_first, read_part
    from moss.digest import payload_checksum
    from moss.stone.container import Compression, FileHeader, PayloadHeader, PayloadKind, StoneKind
    from moss.stone.streams import Source

    with open(bundle, "rb") as file:
        source = Source(file, str(bundle))
        payloads = read_file_header(source, StoneKind.BUNDLE)
        manifest = decode_manifest(*read_first(source, PayloadKind.BUNDLE_MANIFEST))
        read_first(source, PayloadKind.SIGNATURE)
        parts, written = [], []
        for part in manifest.parts:
            stored = read_part(source, part)
            plain, raw = stored.unpacked(), stored.stored
            if part.kind is PayloadKind.ORIGIN:
                origin = decode_origin(plain, part.records, stored.place)
                files = dict(origin.files)
                change(files)
                raw, records = SignedOrigin(origin.repository, files).encode()
                digest = hashlib.sha256(raw).hexdigest()
                sizes = {"stored_size": len(raw), "plain_size": len(raw)}
                part = part._replace(compression=Compression.NONE, records=records, sha256=digest, **sizes)
            parts.append(part)
            header = PayloadHeader(
                part.stored_size, part.plain_size, payload_checksum(raw), part.records, part.kind, part.compression
            )
            written.append(header.pack() + raw)
    said = lie(replace(manifest, parts=tuple(parts))).encode()
    key = new_key()
    signature = key.public.raw + key.sign(SIGNED_PREFIX + said)
    firsts = [
        PayloadHeader(len(raw), len(raw), payload_checksum(raw), 1, kind, Compression.NONE).pack() + raw
        for kind, raw in ((PayloadKind.BUNDLE_MANIFEST, said), (PayloadKind.SIGNATURE, signature))
    ]
    bundle.write_bytes(b"".join([FileHeader(payloads, StoneKind.BUNDLE).pack(), *firsts, *written]))


def other_index(files: dict[str, bytes], attacker: Attacker) -> None:
    name = next(name for name in files if name.startswith("targets/"))
    files[name] = files[name][:-1] + b"x"


def longer_index(files: dict[str, bytes], attacker: Attacker) -> None:
    name = next(name for name in files if name.startswith("targets/"))
    files[name] += bytes(1_000_000)


def endless_timestamp(files: dict[str, bytes], attacker: Attacker) -> None:
    files["timestamp.json"] += b" " * 100_000


def own_keys(files: dict[str, bytes], attacker: Attacker) -> None:
    attacker.maker.keys("thief")
    attacker.forge(files, "timestamp.json", lambda said: setattr(said, "version", 9), "thief")


def own_root(files: dict[str, bytes], attacker: Attacker) -> None:
    attacker.maker.keys("thief")
    files["2.root.json"] = files["1.root.json"]
    attacker.forge(files, "2.root.json", lambda said: setattr(said, "version", 2), "thief")


def frozen(files: dict[str, bytes], attacker: Attacker) -> None:
    attacker.forge(files, "timestamp.json", expired(3), "own")


def without_snapshot(files: dict[str, bytes], attacker: Attacker) -> None:
    del files[next(name for name in files if name.endswith(".snapshot.json"))]


def mixed(files: dict[str, bytes], attacker: Attacker) -> None:
    """Targets of another time."""
    name = next(name for name in files if name.endswith(".targets.json"))
    attacker.forge(files, name, lambda said: said.targets.clear(), "own")


def other_repository(files: dict[str, bytes], attacker: Attacker) -> None:
    """The metadata of another repository of the same maker, all of them signed: they name no stone.index."""
    (targets,) = (name for name in files if name.endswith(".targets.json"))
    (snapshot,) = (name for name in files if name.endswith(".snapshot.json"))
    attacker.forge(files, targets, lambda said: said.targets.clear(), "own")
    attacker.forge(files, snapshot, lambda said: said.meta.update({"targets.json": meta_of(files[targets])}), "own")
    attacker.forge(
        files, "timestamp.json", lambda said: setattr(said, "snapshot_meta", meta_of(files[snapshot])), "own"
    )


def meta_of(raw: bytes) -> MetaFile:
    return MetaFile.from_data(json.loads(raw)["signed"]["version"], raw, ["sha256"])


ATTACKS: dict[str, tuple[Change, int, str]] = {
    "arbitrary software": (other_index, 6, "not the one that its signed metadata name"),
    "endless data": (longer_index, 6, "more than its signed metadata allow"),
    "endless timestamp": (endless_timestamp, 6, "more than its signed metadata allow"),
    "arbitrary keys": (own_keys, 6, "not signed by enough of the keys"),
    "arbitrary root": (own_root, 6, "not signed by enough of the keys"),
    "freeze": (frozen, 6, "its timestamp expired on "),
    "malicious carrier": (without_snapshot, 3, "lacks 1.snapshot.json"),
    "mix and match": (mixed, 6, "not the one that its signed metadata name"),
    "wrong software": (other_repository, 6, "do not name stone.index"),
}


@pytest.mark.parametrize(("change", "exit_code", "says"), ATTACKS.values(), ids=ATTACKS)
def test_an_attack_on_what_is_carried_changes_nothing(
    change: Change, exit_code: int, says: str, maker: Maker, user: User, lonely: User, tmp_path: Path
) -> None:
    bundle = export(user)
    honest = bundle.read_bytes()
    rewritten(bundle, lambda files: change(files, Attacker(maker, tmp_path)))
    before = state(lonely.root)
    for words in ((), ("-n",)):
        ended = lonely.moss("sync", "--from", bundle, "-y", *words)
        assert ended.exit_code == exit_code, ended
        assert says in ended.err, ended.err
    assert state(lonely.root) == before and lonely.has("hello") is None
    assert not list((lonely.root / ".moss/trust/origin").rglob("timestamp.json"))
    bundle.write_bytes(honest)
    lonely.done("sync", "--from", bundle, "-y")


def of_packages(**changes: object) -> Callable[[Any], Any]:
    return lambda manifest: replace(manifest, packages=tuple(replace(one, **changes) for one in manifest.packages))


LIES: dict[str, Callable[[Any], Any]] = {
    "another repository's": of_packages(repository="other"),
    "another candidate": of_packages(candidate_key="sha256:" + "0" * 64),
    "another size": of_packages(stone_size=7),
    "another stone": of_packages(digest="0" * 64),
    "without some files": lambda manifest: replace(manifest, omissions=(Omission("slim", ("share/doc/**",)),)),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_what_the_bundle_says_otherwise_than_the_index_is_not_proven(
    lie: Callable[[Any], Any], user: User, lonely: User
) -> None:
    bundle = export(user)
    rewritten(bundle, lambda files: None, lie)
    ended = lonely.moss("sync", "--from", bundle, "-y")
    assert ended.exit_code in (6, 7), ended
    assert "hello 1.0" in ended.err and lonely.has("hello") is None
    assert not list((lonely.root / ".moss/trust/origin").rglob("timestamp.json"))


def test_an_older_bundle_is_not_taken_after_a_newer_one(maker: Maker, user: User, lonely: User) -> None:
    """Another exporter's counter says nothing; what the origin has signed does."""
    old = export(user, "old")
    news(maker, user)
    lonely.done("sync", "--from", export(user, "new"), "-y")
    rewritten(old, lambda files: None)
    ended = lonely.moss("sync", "--from", old, "-y")
    assert ended.exit_code == 6 and "older than" in ended.err
    assert lonely.has("hello") == "hello 1.1"


def test_an_older_snapshot_is_not_taken_though_a_new_timestamp_leads_to_it(
    maker: Maker, user: User, lonely: User
) -> None:
    """What a thief of the timestamp's key can do."""
    older: dict[str, bytes] = {}
    rewritten(export(user, "old"), older.update)
    news(maker, user)
    bundle = export(user, "new")
    lonely.done("sync", "--from", bundle, "-y")

    def back(files: dict[str, bytes]) -> None:
        def name_older(said: Any) -> None:
            said.version += 1
            said.snapshot_meta = MetaFile(said.snapshot_meta.version - 1)

        Attacker(maker, bundle.parent).forge(files, "timestamp.json", name_older, "own")
        files |= {name: raw for name, raw in older.items() if name != "timestamp.json"}

    before = state(lonely.root)
    rewritten(bundle, back)
    ended = lonely.moss("sync", "--from", bundle, "-y")
    assert ended.exit_code == 6 and "older than" in ended.err, ended
    assert state(lonely.root) == before


def test_fast_forward_is_undone_by_new_keys_that_a_bundle_brings(maker: Maker, user: User, lonely: User) -> None:
    maker.keys("online", "online2")
    rotate = ("trust", "rotate", maker.repository)
    maker.done(*rotate, "--key", "own", "--key", "online", *hand_over("own", "online"))
    user.done("repo", "update")
    bundle = export(user, "forward")
    rewritten(
        bundle,
        lambda files: Attacker(maker, bundle.parent).forge(
            files, "timestamp.json", lambda said: setattr(said, "version", 2**31), "online"
        ),
    )
    lonely.done("sync", "--from", bundle, "-y")  # it is signed by the right key: nobody can tell yet
    maker.stone("hello", "1.1")
    maker.publish("own", "online")
    user.done("update", "-y")
    ended = lonely.moss("sync", "--from", export(user, "honest"), "-y")
    assert ended.exit_code == 6 and "older than" in ended.err, ended
    maker.done(*rotate, "--key", "own", "--key", "online2", *hand_over("online", "online2"))
    user.done("repo", "update")
    lonely.done("sync", "--from", export(user, "rotated"), "-y")
    assert lonely.has("hello") == "hello 1.1"


def test_a_stolen_key_that_was_taken_out_proves_nothing_any_more(maker: Maker, user: User, lonely: User) -> None:
    before_rotation = export(user, "before")
    maker.keys("new")
    maker.done(
        "trust", "rotate", maker.repository, "--key", "own", "--key", "new", "--add", "all=new", "--remove", "all=own"
    )
    user.done("repo", "update")
    bundle = export(user)
    honest = bundle.read_bytes()
    newer: Change = lambda files, attacker: attacker.forge(  # noqa: E731
        files, "timestamp.json", lambda said: setattr(said, "version", 99), "own"
    )
    for number in range(2):  # before the new root was seen, and after
        rewritten(bundle, lambda files: newer(files, Attacker(maker, bundle.parent)))
        ended = lonely.moss("sync", "--from", bundle, "-y")
        assert ended.exit_code == 6 and "not signed by enough of the keys" in ended.err, (number, ended)
        bundle.write_bytes(honest)
        lonely.done("sync", "--from", bundle, "-y")
    rewritten(before_rotation, lambda files: newer(files, Attacker(maker, bundle.parent)))
    ended = lonely.moss("sync", "--from", before_rotation, "-y")
    assert ended.exit_code == 6, "who has followed to root 2 does not go back to root 1"


@pytest.mark.parametrize("sends", ["half and no more", "all and without end"])
def test_a_pipe_that_does_not_end_changes_nothing(sends: str, user: User, lonely: User) -> None:
    """Slow retrieval, and endless data: a bundle comes by no network of moss's; who feeds the pipe may be slow, and is
    given up by who waits."""
    bundle = export(user).read_bytes()
    before = state(lonely.root)
    words = [sys.executable, "-m", "moss", "-D", str(lonely.root), "sync", "--from", "-", "-y"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None and process.stderr is not None
        if sends.startswith("half"):
            process.stdin.write(bundle[: len(bundle) // 2])
            process.stdin.flush()
            time.sleep(0.7)
            assert process.poll() is None, "it waits"
            process.terminate()
        else:
            with contextlib.suppress(BrokenPipeError):
                for piece in itertools.chain([bundle], itertools.repeat(bytes(1 << 16))):
                    process.stdin.write(piece)
        ended = process.wait(timeout=20)
        said = process.stderr.read().decode()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    assert ended in ((130, 143) if sends.startswith("half") else (7,)), (ended, said)
    assert "Traceback" not in said
    folders = {path for path in state(lonely.root) if path.startswith(".moss/assets/")}  # an empty one may stay
    assert not any((lonely.root / path).is_file() for path in folders)
    assert {path: what for path, what in state(lonely.root).items() if path not in folders} == before
    assert lonely.has("hello") is None


def test_staleness_is_a_word_of_the_machine_that_is_never_online(maker: Maker, user: User, lonely: User) -> None:
    bundle = export(user)
    rewritten(bundle, lambda files: frozen(files, Attacker(maker, bundle.parent)))
    assert "--max-staleness 4" in lonely.moss("sync", "--from", bundle, "-y").err
    lonely.done("repo", "trust", "origin", "--max-staleness", "4")
    assert "Stale     origin" in lonely.done("sync", "--from", bundle, "-n")
    lonely.done("sync", "--from", bundle, "-y")
    assert "expired 4 days ago" in lonely.done("repo", "list")


def test_files_that_were_not_signed_are_found_whoever_made_the_bundle(maker: Maker, user: User, lonely: User) -> None:
    """The exporter's own store was tampered with: the digests of the bundle fit, and the content id does not."""
    import sqlite3

    record = sqlite3.connect(user.root / ".moss/db/moss.db")
    record.execute("UPDATE layout SET mode = mode | 2048 WHERE path = 'share/hello'")
    record.commit()
    record.close()
    bundle = export(user)
    ended = lonely.moss("sync", "--from", bundle, "-y")
    assert ended.exit_code == 6 and "hello 1.0" in ended.err and "is not what its repository has signed" in ended.err
    assert lonely.has("hello") is None
    lonely.done("sync", "--from", bundle, "-y", "--unsigned")


def test_a_package_of_every_kind_comes_through_record_and_store_as_it_was_signed(
    maker: Maker, user: User, lonely: User
) -> None:
    relations = Relations(
        depends=(parse_formula("hello (>= 1.0) | nothing"),), recommends=(parse_formula("hello"),),
        provides=(Provide("editor", "3"),), conflicts=(parse_relation("enemy (< 2)"),),
        breaks=(parse_relation("old (< 1)"),), replaces=(parse_relation("old"),),
    )  # fmt: skip
    files: dict[str, Content] = {
        "bin/tool": File(b"tool", 0o4755), "bin/same": File(b"tool", 0o755), "share/none": "", "lib/link": Link("tool"),
        "share/dir": Dir(0o700), "share/né/ü": "ü", "share/big": "b" * 3_000_000,
        "share/noted": File(b"n", xattrs={"user.note": b"x"}),
    }  # fmt: skip
    write_package(maker.repository, metadata("every", "2.0", relations=relations), files)
    write_package(maker.repository, metadata("plain", "1", depends=["hello"], provides=["binary(plain)"]), {})
    maker.publish()
    user.done("repo", "update")
    user.done("install", "-y", "every", "plain")
    plan = " ".join(lonely.done("sync", "--from", export(user), "-y").split())
    assert "origin (3)" in plan
    lonely.done("verify")
