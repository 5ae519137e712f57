"""An apt repository on a server, signed by a keyring of the test's own: what a mirror may do, and what comes of it."""

import base64
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

import pytest

from moss.cli import beginning
from moss.debian.release import parse_release
from moss.errors import CorruptData
from moss.foreign import openpgp
from moss.operations.beginning import ESSENTIAL
from tests.debian import signing
from tests.debian.closure import ARCHIVE_KEYRING
from tests.debian.indexes import Packaged, mirror
from tests.debian.signing import Signer
from tests.fetch.conftest import QUICK
from tests.fetch.stores import Ended, Machine
from tests.simulator import Server
from tests.simulator.behaviour import endless, other, status, wrong_bytes
from tests.simulator.server import Exchange

pytestmark = [
    pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed"),
    pytest.mark.skipif(shutil.which("gpgv") is None, reason="gpgv is not installed"),
]
DIST = "debian/dists/stable"
NOW = int(time.time())


@pytest.fixture(scope="module")
def people() -> Iterator[tuple[Signer, ...]]:
    # Short: the agent's socket lies in it.
    folder = Path("/tmp") / f"mk{os.getpid()}"
    with ThreadPoolExecutor() as pool:
        made = tuple(pool.map(Signer, (folder / "a", folder / "b"), ("maker", "stranger")))
    yield made
    for one in made:
        one.end()
    shutil.rmtree(folder)


def release(folder: Path, *, date: int = NOW, valid: int | None = None, suite: str = "stable") -> str:
    return signing.release(folder / "debian", date=date, valid=valid, suite=suite)


def publish(folder: Path, signer: Signer, version: str = "1.0", **said: object) -> None:
    mirror(folder / "debian", [Packaged("hello", version)])
    (folder / DIST / "InRelease").write_bytes(signer.signed(release(folder, **said)))  # type: ignore[arg-type]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root")


def add(machine: Machine, server: Server, keyring: Path, *more: str) -> Ended:
    words = ("--suite", "stable", "--component", "main", "--arch", "amd64", "--trust", str(keyring))
    return machine.moss("repo", "add", "debian", f"apt+{server.uri('debian')}", *words, *more)


def joined(one: bytes, other: bytes) -> bytes:
    """The first one's text, with the signatures of both."""
    end = b"-----END PGP SIGNATURE-----\n"
    parts = [text.partition(b"-----BEGIN PGP SIGNATURE-----\n\n")[2].partition(end)[0] for text in (one, other)]
    packets = b"".join(base64.b64decode(part.rpartition(b"\n=")[0]) for part in parts)
    head = one.partition(b"-----BEGIN PGP SIGNATURE-----\n\n")[0]
    return head + b"-----BEGIN PGP SIGNATURE-----\n\n" + base64.encodebytes(packets) + end


def said(ended: Ended) -> str:
    """On one line."""
    return " ".join(ended.err.split())


@pytest.fixture
def ready(machine: Machine, server: Server, folder: Path, people: tuple[Signer, ...]) -> Machine:
    publish(folder, people[0])
    ended = add(machine, server, people[0].keyring)
    assert ended.code == 0, ended.err
    server.forget()
    return machine


def test_a_signed_mirror_is_read_and_its_packages_are_fetched_and_converted(
    ready: Machine, server: Server, folder: Path, people: tuple[Signer, ...]
) -> None:
    ready.must("install", "-y", "hello")
    assert (ready.root / "usr/share/hello/1.0").read_text() == "1.0"
    assert ready.must("repo", "update", "--json").data == [
        {"repository": "debian", "package_count": 1, "changed": False}
    ]
    assert [one.path for one in server.asked][-1] == f"{DIST}/InRelease", "and nothing else"
    publish(folder, people[0], "2.0", date=NOW + 60)
    ready.must("update", "-y")
    assert (ready.root / "usr/share/hello/2.0").exists()
    assert str(people[0].keyring) in (ready.root / "etc/moss/system-model.kdl").read_text()


def test_who_is_not_in_the_keyring_vouches_for_nothing(
    machine: Machine, server: Server, folder: Path, people: tuple[Signer, ...]
) -> None:
    publish(folder, people[1])
    ended = add(machine, server, people[0].keyring)
    assert ended.code == 6 and "signed by nobody whom" in said(ended)
    assert machine.must("repo", "list", "--json").data == []
    assert add(machine, server, people[1].keyring).code == 0


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("altered", 6, "was changed since"),
        ("unsigned", 6, "is not signed"),
        ("behind", 6, "stands behind what is signed"),
        ("before", 6, "stands before what is signed"),
        ("another text behind", 6, "stands behind what is signed"),
        ("another header", 6, "is no header of a signed text"),
        ("a weak digest", 6, "signed by nobody whom"),
        ("two makers", 0, ""),
        ("a bad signature beside a good one", 6, "was changed since"),
        ("of the future", 6, "is still to come"),
        ("out of the suite", 7, "leads out of the suite"),
        ("older", 6, "is older than what was verified before"),
        ("expired", 6, "was valid until"),
        ("another suite", 6, "was asked for"),
        ("no files", 7, "lists no files"),
        ("index", 7, "is not the file"),
        ("endless", 7, "more than"),
        ("gone", 3, "has no suite stable"),
    ],
)
def test_what_a_mirror_may_do(
    kind: str, code: int, words: str, ready: Machine, server: Server, folder: Path, people: tuple[Signer, ...]
) -> None:
    maker, path = people[0], folder / DIST / "InRelease"
    mirror(folder / "debian", [Packaged("hello", "9.9")])
    new = release(folder, date=NOW + 60)
    match kind:
        case "altered":
            path.write_bytes(maker.signed(new).replace(b"Codename: stable", b"Codename: stabbe"))
        case "unsigned":
            path.write_text(new)
        case "behind":
            path.write_bytes(maker.signed(new) + b"SHA256:\n " + b"0" * 64 + b" 7 main/binary-amd64/Packages\n")
        case "before":
            path.write_bytes(b"Suite: stable\n" + maker.signed(new))
        case "another text behind":
            path.write_bytes(maker.signed(new) + people[1].signed(new))
        case "another header":
            path.write_bytes(maker.signed(new).replace(b"Hash: ", b"Suite: other\nHash: ", 1))
        case "a weak digest":
            path.write_bytes(maker.signed(new, "--digest-algo", "SHA1", "--allow-weak-digest-algos"))
        case "two makers":
            path.write_bytes(joined(people[1].signed(new), maker.signed(new)))
        case "a bad signature beside a good one":
            path.write_bytes(joined(maker.signed(new), maker.signed(new + " " + "0" * 64 + " 1 x\n")))
        case "of the future":
            path.write_bytes(maker.signed(release(folder, date=NOW + 3 * 3600)))
        case "out of the suite":
            path.write_bytes(maker.signed(new + " " + "0" * 64 + " 1 ../../main/binary-amd64/Packages\n"))
        case "older":
            path.write_bytes(maker.signed(release(folder, date=NOW - 60)))
        case "expired":
            path.write_bytes(maker.signed(release(folder, date=NOW + 60, valid=NOW - 3600)))
        case "another suite":
            path.write_bytes(maker.signed(release(folder, date=NOW + 60, suite="testing")))
        case "no files":
            path.write_bytes(maker.signed(f"Suite: stable\nCodename: stable\nDate: {formatdate(NOW + 60)}\n"))
        case "index":
            path.write_bytes(maker.signed(new))
            server.always(f"{DIST}/main/binary-amd64/Packages.gz", wrong_bytes)
        case "endless":
            server.always(f"{DIST}/InRelease", endless)
        case "gone":
            server.always(f"{DIST}/InRelease", status(404))
    ended = ready.moss("update", "-y")
    assert ended.code == code and words in said(ended), ended.err
    known = ready.must("list", "available", "--json").data
    assert ("9.9" in str(known)) == (code == 0)


def test_a_mirror_is_asked_where_the_first_place_fails(
    tmp_path: Path, server: Server, folder: Path, people: tuple[Signer, ...]
) -> None:
    publish(folder, people[0])
    machine = Machine(tmp_path / "root", manners=f"{QUICK} tries=1")
    ended = add(machine, server, people[0].keyring, "--mirror", server.uri("debian/other/.."))
    assert ended.code == 0, ended.err
    server.plan(f"{DIST}/InRelease", status(503))
    machine.must("repo", "update")
    assert [one.path for one in server.asked][-2:] == [f"{DIST}/InRelease", f"{DIST}/InRelease"]


def test_a_mirror_in_the_midst_of_an_update_has_its_indexes_by_digest(
    machine: Machine, server: Server, folder: Path, people: tuple[Signer, ...]
) -> None:
    mirror(folder / "debian", [Packaged("hello", "1.0")])
    (index,) = (folder / DIST).rglob("Packages.gz")
    kept = index.parent / "by-hash/SHA256"
    kept.mkdir(parents=True)
    shutil.copy(index, kept / hashlib.sha256(index.read_bytes()).hexdigest())
    text = signing.release(folder / "debian", date=NOW, more="").replace("SHA256:", "Acquire-By-Hash: yes\nSHA256:")
    (folder / DIST / "InRelease").write_bytes(people[0].signed(text))
    index.write_bytes(b"what comes next")
    assert add(machine, server, people[0].keyring).code == 0
    shutil.rmtree(kept)
    other = Machine(machine.root.with_name("other"))
    ended = add(other, server, people[0].keyring)
    assert ended.code == 3 and "the index says" in said(ended), "without it the mirror has another file"


def test_of_several_suites_those_that_changed_are_fetched(
    machine: Machine, server: Server, folder: Path, people: tuple[Signer, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    top = folder / "debian"
    for suite, version in (("stable", "1.0"), ("updates", "2.0")):
        mirror(top, [Packaged(f"hello-{suite}", version)], suite=suite)

    def sign(date: int) -> None:
        for suite in ("stable", "updates"):
            text = signing.release(top, date=date, suite=suite)
            (top / f"dists/{suite}/InRelease").write_bytes(people[0].signed(text))

    sign(NOW)
    assert add(machine, server, people[0].keyring, "--suite", "updates").code == 0
    mirror(top, [Packaged("hello-updates", "3.0")], suite="updates")
    sign(NOW + 60)
    server.forget()
    machine.must("repo", "update")
    machine.must("repo", "update")
    inreleases = [f"debian/dists/{suite}/InRelease" for suite in ("stable", "updates")]
    assert [one.path for one in server.asked if "Packages" not in one.path] == inreleases * 2
    assert server.sent[inreleases[0]] == len((folder / inreleases[0]).read_bytes()), "once, and then it was as before"
    mirror(top, [Packaged("hello-updates", "3.1")], suite="updates")
    (top / "dists/updates/InRelease").write_bytes(
        people[0].signed(signing.release(top, date=NOW + 90, suite="updates", valid=NOW + 86400))
    )
    (cached,) = (machine.root / ".moss/cache/apt/debian").glob(f"{index_of(top, 'stable')}*")
    server.forget()
    machine.must("repo", "update")
    assert [one.path for one in server.asked if "Packages" in one.path] == [
        "debian/dists/updates/main/binary-amd64/Packages.gz"
    ]
    assert "3.1" in machine.must("info", "hello-updates").out and machine.must("info", "hello-stable")
    cached.write_bytes(b"damaged")
    mirror(top, [Packaged("hello-updates", "4.0")], suite="updates")
    sign(NOW + 120)
    machine.must("repo", "update")
    assert cached.read_bytes() != b"damaged", "it is fetched again"
    real = time.time
    text = signing.release(top, date=NOW + 150, suite="stable", valid=NOW + 3600)
    (top / "dists/stable/InRelease").write_bytes(people[0].signed(text))
    machine.must("repo", "update")
    monkeypatch.setattr(time, "time", lambda: real() + 86400)
    assert machine.moss("repo", "update").code == 6, "as it was, and that is good no more"


def index_of(top: Path, suite: str) -> str:
    (found,) = (top / "dists" / suite).rglob("Packages.gz")
    return hashlib.sha256(found.read_bytes()).hexdigest()


def test_a_release_may_have_its_signatures_beside_it(
    machine: Machine, server: Server, folder: Path, people: tuple[Signer, ...]
) -> None:
    publish(folder, people[0])
    (folder / DIST / "InRelease").unlink()
    text = release(folder)
    (folder / DIST / "Release").write_text(text)
    (folder / DIST / "Release.gpg").write_bytes(people[0].signature(text + "x"))
    assert add(machine, server, people[0].keyring).code == 6
    (folder / DIST / "Release.gpg").write_bytes(people[0].signature(text))
    assert add(machine, server, people[0].keyring).code == 0
    assert machine.must("repo", "update", "--json").data == [
        {"repository": "debian", "package_count": 1, "changed": False}
    ]


def test_keys_may_be_in_armor(
    machine: Machine, server: Server, folder: Path, people: tuple[Signer, ...]
) -> None:
    publish(folder, people[0])
    armored = folder.with_name("keys.asc")
    armored.write_bytes(b"Of two people:\n" + people[1].armored + b"\n" + people[0].armored)
    assert add(machine, server, armored).code == 0
    armored.write_bytes(people[0].armored.replace(b"-----END", b"----END"))
    ended = machine.moss("repo", "update")
    assert ended.code == 0, "as it was: not asked again"
    publish(folder, people[0], "2.0", date=NOW + 60)
    ended = machine.moss("repo", "update")
    assert ended.code == 7 and "a block of keys does not end" in said(ended)


@pytest.mark.skipif(shutil.which("sqv") is None, reason="sqv is not installed")
def test_sqv_may_verify(
    machine: Machine, server: Server, folder: Path, people: tuple[Signer, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(folder, people[0])
    programs = folder.with_name("programs")
    programs.mkdir()
    (programs / "sqv").symlink_to(shutil.which("sqv") or "")
    monkeypatch.setenv("PATH", str(programs))
    assert add(machine, server, people[0].keyring).code == 0
    publish(folder, people[1], "3.0", date=NOW + 120)
    ended = machine.moss("repo", "update")
    assert ended.code == 6 and "Missing key" in said(ended)


def test_without_a_program_that_verifies_nothing_is_believed(
    machine: Machine, server: Server, folder: Path, people: tuple[Signer, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(folder, people[0])
    monkeypatch.setenv("PATH", str(folder))
    ended = add(machine, server, people[0].keyring)
    assert ended.code == 1 and "apt install gpgv" in said(ended)
    monkeypatch.setattr(openpgp, "_SECONDS", 0.2)
    (folder / "gpgv").write_text("#!/bin/sh\nexec /bin/sleep 20\n")
    (folder / "gpgv").chmod(0o755)
    ended = add(machine, server, people[0].keyring)
    assert ended.code == 6 and "did not come to an end" in said(ended)


def test_what_has_expired_is_used_only_where_a_person_says_for_how_long(
    machine: Machine, server: Server, folder: Path, people: tuple[Signer, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(folder, people[0], valid=NOW + 3600)
    assert add(machine, server, people[0].keyring).code == 0
    assert "expired" not in machine.must("repo", "list").out
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3 * 86400)
    for words in (("repo", "update"), ("install", "-y", "hello"), ("install", "-y", "hello", "--offline")):
        ended = machine.moss(*words)
        assert ended.code == 6 and "repo trust debian --max-staleness 3" in said(ended), words
    assert "expired 3 days ago" in machine.must("repo", "list").out
    assert machine.must("repo", "list", "--json").data[0]["stale_days"] == 3  # type: ignore[index]
    assert "3 days ago; 0 are accepted" in " ".join(machine.moss("doctor").out.split())
    machine.must("repo", "trust", "debian", "--max-staleness", "3")
    kept = machine.root / ".moss/trust/debian/apt/stable.release"
    assert kept.exists(), "what was verified is not forgotten"
    assert "Accepted        3 days" in machine.must("repo", "trust", "debian").out
    plan = " ".join(machine.must("install", "-n", "hello").out.split())
    assert "Stale debian" in plan and "expired 3 days ago" in plan
    machine.must("install", "-y", "hello")
    monkeypatch.setattr(time, "time", lambda: real() + 4 * 86400)
    assert machine.moss("repo", "update").code == 6


def test_a_newer_release_whose_indexes_do_not_come_makes_nothing_fresher(
    machine: Machine, server: Server, folder: Path, people: tuple[Signer, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(folder, people[0], valid=NOW + 3600)
    assert add(machine, server, people[0].keyring).code == 0
    publish(folder, people[0], "2.0", date=NOW + 60, valid=NOW + 30 * 86400)
    server.always(f"{DIST}/main/binary-amd64/Packages.gz", status(404))
    assert machine.moss("repo", "update").code == 3
    machine.must("install", "-n", "hello")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 2 * 86400)
    ended = machine.moss("install", "-n", "hello")
    assert ended.code == 6 and "was valid until" in said(ended)
    server.always(f"{DIST}/main/binary-amd64/Packages.gz", Exchange.honest)
    machine.must("repo", "update")
    machine.must("install", "-n", "hello")
    monkeypatch.setattr(time, "time", lambda: real() + 31 * 86400)
    assert machine.moss("install", "-n", "hello").code == 6
    renewed = people[0].signed(release(folder, date=NOW + 120, valid=NOW + 60 * 86400))
    (folder / DIST / "InRelease").write_bytes(renewed)
    assert machine.must("repo", "update", "--json").data[0]["changed"] is False  # type: ignore[index]
    machine.must("install", "-n", "hello")
    (machine.root / ".moss/trust/debian/apt/read").write_text("{")
    assert machine.moss("install", "-n", "hello").code == 7


def test_a_package_with_other_bytes_is_not_taken(ready: Machine, server: Server) -> None:
    server.always(f"debian/{Packaged('hello', '1.0').filename}", other(b"!<arch>\n"))
    ended = ready.moss("install", "-y", "hello")
    assert ended.code == 7 and not (ready.root / "usr/share").exists(), ended.err


def test_offline_says_what_is_missing(ready: Machine) -> None:
    ended = ready.moss("install", "-y", "--offline", "hello")
    assert ended.code == 5 and "--offline was said" in said(ended)


def test_a_root_in_one_command(tmp_path: Path, server: Server, folder: Path, people: tuple[Signer, ...]) -> None:
    publish(folder, people[0])
    machine = Machine(tmp_path / "root")
    source = ("--from", f"apt+{server.uri('debian')}?arch=amd64", "--suite", "stable", "--component", "main")
    words = ("init", str(machine.root), "hello", "--bare", *source, "--trust", str(people[0].keyring), "-y")
    ended = machine.moss(*words)
    assert ended.code == 0, ended.err
    assert (machine.root / "usr/share/hello/1.0").exists()
    assert "takes for granted" not in ended.out
    again = machine.moss(*words)
    assert again.code == 2 and "is a system already" in said(again)


def test_no_root_is_begun_among_other_things(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "etc")
    machine.root.mkdir()
    for name in ("fstab", "hosts", "passwd", "shadow"):
        (machine.root / name).touch()
    ended = machine.moss("init", str(machine.root), "hello", "-y")
    assert ended.code == 2 and "is not empty" in said(ended) and "fstab, hosts, passwd and 1 more" in said(ended)
    assert len(list(machine.root.iterdir())) == 4


def test_what_debian_takes_for_granted_comes_unasked_and_is_said(
    server: Server, folder: Path, people: tuple[Signer, ...], tmp_path: Path
) -> None:
    mirror(folder / "debian", [Packaged(name, "1.0") for name in ("hello", *ESSENTIAL)])
    (folder / DIST / "InRelease").write_bytes(people[0].signed(release(folder)))
    machine = Machine(tmp_path / "root")
    (machine.root / "lost+found").mkdir(parents=True)  # of a file system that was just made
    source = ("--from", f"apt+{server.uri('debian')}?arch=amd64", "--suite", "stable", "--component", "main")
    ended = machine.moss("init", str(machine.root), "hello", *source, "--trust", str(people[0].keyring), "-y")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("Beside what you name comes what Debian takes for granted")
    assert all((machine.root / "usr/share" / name).exists() for name in ("hello", *ESSENTIAL))


def test_what_is_interrupted_goes_on_with_the_same_command(
    tmp_path: Path, server: Server, folder: Path, people: tuple[Signer, ...]
) -> None:
    publish(folder, people[0])
    machine = Machine(tmp_path / "root")
    source = ("--from", f"apt+{server.uri('debian')}?arch=amd64", "--suite", "stable", "--component", "main")
    words = ("init", str(machine.root), "hello", "--bare", *source, "--trust", str(people[0].keyring), "-y")
    server.plan(f"debian/{Packaged('hello', '1.0').filename}", status(404))
    assert machine.moss(*words).code == 3
    assert machine.moss(*words).code == 0


def test_a_root_from_the_machines_own_sources(
    tmp_path: Path, server: Server, folder: Path, people: tuple[Signer, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One with its keys in itself, one that nobody signs, one that cannot be used."""
    publish(folder, people[0])
    shutil.copytree(folder / "debian", folder / "own")
    mirror(folder / "own", [Packaged("mine", "1.0")])
    (folder / "own/dists/stable/InRelease").write_text(signing.release(folder / "own", date=NOW))
    sources = tmp_path / "apt"
    (sources / "sources.list.d").mkdir(parents=True)
    (sources / "sources.list").write_text(f"deb [trusted=yes] {server.uri('own')} stable main\ndeb cdrom:[a b]/ c d\n")
    keys = people[0].armored.decode().replace("\n\n", "\n.\n").replace("\n", "\n ").rstrip()
    stanza = f"Types: deb\nURIs: {server.uri('debian')}\nSuites: stable\nComponents: main\nSigned-By:\n {keys}\n"
    (sources / "sources.list.d/debian.sources").write_text(stanza)
    monkeypatch.setattr(beginning, "MACHINES_SOURCES", str(sources))
    machine = Machine(tmp_path / "root")
    ended = machine.must("init", str(machine.root), "hello", "mine", "--bare", "-y")
    assert "cdrom:[a b]/ of" in said(ended) and "is left out: moss fetches nothing from such a place" in said(ended)
    assert {one["name"]: one["vouched_by"] for one in machine.must("repo", "list", "--json").data} == {  # type: ignore[attr-defined]
        "debian": "keyring", "own": "nobody",
    }  # fmt: skip
    assert (machine.root / "usr/share/mine/1.0").exists() and (machine.root / "usr/share/hello/1.0").exists()
    publish(folder, people[1], "2.0", date=NOW + 60)
    assert machine.moss("update", "-y").code == 6, "another's key is none of those in the source"
    machine = Machine(tmp_path / "other")
    ended = machine.moss("init", str(machine.root), "hello", "--bare", "-y")
    assert ended.code == 6 and "debian.sources" in said(ended) and "name one mirror: --from" in said(ended)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Thu, 01 Jan 1970 00:00:00 UTC", 0), ("1 Jan 1970 0:01:00 GMT", 60), ("Thu, 1 Jan 1970 02:00:00 +0200", 0),
        ("Wed, 31 Dec 1969 19:00:01 -0500", 1), ("Sat, 29 Feb 2020 23:59:59 +0000", 1583020799),
        ("Sun, 29 Feb 2026 00:00:00 UTC", None), ("Thu, 01 Jan 99999 00:00:00 UTC", None), ("", None),
        ("Thu, 01 Jan 1970 24:00:00 UTC", None), ("1970-01-01T00:00:00Z", None), ("Thu, 01 Jan 1970 00:00:00", None),
    ],
)  # fmt: skip
def test_times_are_read_as_debian_writes_them(text: str, moment: int | None) -> None:
    release = f"Date: {text}\nSHA256:\n {'0' * 64} 1 x\n"
    if moment is None:
        with pytest.raises(CorruptData, match="no time"):
            parse_release(release, "the Release")
    else:
        assert parse_release(release, "the Release").date == moment
        assert parse_release(f"Valid-Until: {text}\n{release}", "the Release").valid_until == moment


@pytest.mark.parametrize("text", ["Date: x\nSHA256:\n", "Suite: a\nSuite: b\n", "no field\n", "SHA256:\n bad\n"])
def test_a_release_that_cannot_be_read(text: str) -> None:
    with pytest.raises(CorruptData, match="the Release"):
        parse_release(text, "the Release")


def test_in_a_bundle_debians_packages_are_the_exporters_and_on_a_stick_its_own(
    ready: Machine, folder: Path, tmp_path: Path, people: tuple[Signer, ...]
) -> None:
    """docs/trust.md, on a machine that is never online."""
    ready.must("install", "-y", "hello")
    ready.must("key", "make", "own")
    key = ready.must("key", "show").out.strip()
    bundle, stick = str(tmp_path / "bundle"), folder / "debian"
    ready.must("export", "-o", bundle)
    lonely = Machine(tmp_path / "lonely", manners="tries=1")
    narrowed = ("--suite", "stable", "--component", "main", "--arch", "amd64", "--trust", str(people[0].keyring))
    lonely.must("repo", "add", "debian", f"apt+file:{stick}", *narrowed)
    ended = lonely.moss("sync", "--from", bundle, "-y")
    assert ended.code == 6 and not (lonely.root / "usr/share").exists(), "Debian's keyring proves nothing of it"
    lonely.must("key", "pin", "office", key)
    plan = " ".join(lonely.must("sync", "--from", bundle, "-n").out.split())
    assert "signed by office" in plan and "proven" not in plan.partition("Result")[0]
    publish(folder, people[1], "6.6", date=NOW + 60)
    assert lonely.moss("repo", "update").code == 6, "a stick is believed as little as a server"
    publish(folder, people[0], "2.0", date=NOW + 60)
    lonely.must("repo", "update")
    lonely.must("install", "-y", "hello")
    assert (lonely.root / "usr/share/hello/2.0").exists()


def test_going_back_to_an_older_generation_goes_back_to_no_older_trust(
    ready: Machine, folder: Path, people: tuple[Signer, ...]
) -> None:
    ready.must("install", "-y", "hello")
    publish(folder, people[0], "2.0", date=NOW + 60)
    ready.must("update", "-y")
    ready.must("rollback", "-y")
    assert (ready.root / "usr/share/hello/1.0").exists()
    publish(folder, people[0], "1.0")
    ended = ready.moss("repo", "update")
    assert ended.code == 6 and "is older than what was verified before" in said(ended)


@pytest.mark.slow
@pytest.mark.skipif(not Path(ARCHIVE_KEYRING).exists(), reason="Debian's archive keyring is not installed")
@pytest.mark.skipif(not list(Path("/etc/apt").rglob("*.sources")), reason="this machine's apt has no sources")
def test_a_root_of_debian_from_the_machines_own_sources(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "root", manners="")
    ended = machine.moss("init", str(machine.root), "bash", "python3", "ca-certificates", "-y")
    if ended.code == 5:
        pytest.skip(f"the machine's mirror cannot be reached: {ended.err[-200:]}")
    assert ended.code == 0, ended.err
    if os.geteuid() == 0:
        script = "import ssl; print(len(ssl.create_default_context().get_ca_certs()) > 50)"
        run = ["/usr/sbin/chroot", str(machine.root), "python3", "-c", script]
        assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "True\n"


def test_a_second_architecture_from_a_server_is_read_as_what_it_is_to_the_machine(
    machine: Machine, server: Server, folder: Path, people: tuple[Signer, ...], tmp_path: Path
) -> None:
    mirror(folder / "debian", [Packaged("hello", "1.0", "i386")])
    index = folder / DIST / "main/binary-amd64"
    index.rename(index.with_name("binary-i386"))
    (folder / DIST / "InRelease").write_bytes(people[0].signed(release(folder)))
    words = ("repo", "add", "beside", f"apt+{server.uri('debian')}", "--suite", "stable", "--arch", "i386")
    pc, old = tmp_path / "pc.facts", tmp_path / "old.facts"
    pc.write_text("arch(x86_64)\n")
    old.write_text("arch(386)\n")
    for facts, name in ((pc, "hello:i386"), (old, "hello"), (pc, "hello:i386")):
        ended = machine.moss("--facts", str(facts), *words, "--trust", str(people[0].keyring))
        assert ended.code == 0, ended.err
        listed = machine.moss("--facts", str(facts), "list", "available").out
        assert listed.split("\n")[1].split()[0] == name
        planned = machine.moss("--facts", str(facts), "install", "-n", name)
        assert f"{name} 1.0" in planned.out, planned
        assert machine.moss("repo", "remove", "beside").code == 0
    machine.must("--facts", str(pc), *words, "--trust", str(people[0].keyring))
    for facts, name in ((old, "hello"), (pc, "hello:i386")):
        machine.must("--facts", str(facts), "repo", "update")
        assert machine.moss("list", "available").out.split("\n")[1].split()[0] == name, "though the index is the same"
