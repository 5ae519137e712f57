"""apt's own sources, in both of their forms, and the repositories that they become."""

import base64
from pathlib import Path

import pytest

from moss.debian.machine_sources import MachineSource, parse_sources
from moss.errors import CorruptData, NotFound
from moss.operations.machine_sources import Source, machine_sources
from moss.operations.repositories import Narrowing
from solver.values import replace

BLOCK = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"
ONE = MachineSource("http://m.example/debian", ("stable",), ("main",), written_in="a.list")


def armored(content: bytes) -> str:
    return f"{BLOCK[0]}\nVersion: 1\n\n{base64.b64encode(content).decode()}\n=abcd\n{BLOCK[1]}\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("deb http://m.example/debian stable main # ours", ONE),
        ("deb  http://m.example/debian\tstable main contrib", replace(ONE, components=("main", "contrib"))),
        ("deb [signed-by=/k.gpg arch=amd64] http://m.example/debian stable main",
         replace(ONE, keyrings=("/k.gpg",), architectures=("amd64",))),
        ("deb [ arch=amd64,i386 lang=de ] http://m.example/debian stable main",
         replace(ONE, architectures=("amd64", "i386"))),
        ("deb [signed-by=/a.gpg,/b.asc] http://m.example/debian stable main",
         replace(ONE, keyrings=("/a.gpg", "/b.asc"))),
        ("deb [signed-by=ABCD0123!] http://m.example/debian stable main", replace(ONE, key_ids=("ABCD0123",))),
        ("deb [trusted=yes] http://m.example/debian stable main", replace(ONE, trusted=True)),
        ("deb [trusted=no check-valid-until=no] http://m.example/debian stable main", replace(ONE, expires=False)),
        ("deb http://[::1]:80/debian stable main", replace(ONE, uri="http://[::1]:80/debian")),
        ("deb cdrom:[Debian 12 _x_ - amd64]/ stable main", replace(ONE, uri="cdrom:[Debian 12 _x_ - amd64]/")),
        ("deb http://m.example/debian ./", replace(ONE, suites=("./",), components=())),
        ("deb-src http://m.example/debian stable main", None),
        ("# deb http://m.example/debian stable main", None),
    ],
)  # fmt: skip
def test_a_line(line: str, expected: MachineSource | None) -> None:
    assert parse_sources(f"\n{line}\n", "a.list") == (() if expected is None else (expected,))


def test_a_stanza() -> None:
    text = (
        "# ours\nTypes: deb deb-src\nURIs: http://a.example/d http://b.example/d\nSuites: one one-updates\n"
        "Components: main\n# no comment\n contrib\nsigned-by: /k.gpg\nTrusted: No\n\n"
        "Types: deb\nURIs: http://c.example/d\nSuites: x\nEnabled: no\n \n"
        "Types: deb-src\nURIs: http://d.example/d\nSuites: x\n"
    )
    assert parse_sources(text, "a.sources") == tuple(
        MachineSource(
            f"http://{host}.example/d", ("one", "one-updates"), ("main", "contrib"), ("/k.gpg",), written_in="a.sources"
        ) for host in "ab"
    )  # fmt: skip


def test_keys_in_a_stanza() -> None:
    keys = armored(b"key")
    folded = "".join(f" {line or '.'}\n" for line in keys.splitlines())
    text = f"Types: deb\nURIs: http://a.example/d\nSuites: x\nComponents: y\nSigned-By:\n{folded}"
    (found,) = parse_sources(text, "a.sources")
    assert found.keys == keys and not found.keyrings and not found.key_ids


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("a.list", "deb http://only.example\n", "line 1"),
        ("a.list", "\ndebian http://a b c\n", "line 2"),
        ("a.list", "deb [trusted=yes] http://only.example\n", "line 1"),
        ("a.sources", "Types: deb\nURIs a.example\n", "'URIs a.example' is no field"),
        ("a.sources", "Types: deb\nSuites: a\n", "no URIs"),
        ("a.sources", "Types: deb\nURIs: http://a\n", "no Suites"),
    ],
)
def test_what_is_no_source(file: str, text: str, words: str) -> None:
    with pytest.raises(CorruptData, match=words):
        parse_sources(text, file)


class Machine:
    """apt's folder of a machine, and what came of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.left_out = folder, list[str]()
        (folder / "sources.list.d").mkdir(parents=True)

    def write(self, name: str, text: str) -> Path:
        (self.folder / name).write_text(text)
        return self.folder / name

    def found(self) -> list[Source]:
        return machine_sources(str(self.folder), self.left_out.append)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "apt")


def test_a_place_is_one_repository_whatever_its_suites(machine: Machine) -> None:
    file = machine.write("sources.list", (
        "deb http://a.example/debian/ one main\ndeb http://a.example/debian/ one-updates main\n"
        "deb http://a.example/debian/ two contrib\ndeb http://b.example/~me/x:y/ one main\n"
        "deb http://c.example one main\n"
    ))  # fmt: skip
    machine.write("sources.list.d/more.list.save", "no source at all\n")
    assert machine.found() == [
        Source(name, f"apt+{uri}", narrowing=Narrowing(suites=suites, components=components), written_in=str(file))
        for name, uri, suites, components in (
            ("debian", "http://a.example/debian/", ("one", "one-updates"), ("main",)),
            ("debian-2", "http://a.example/debian/", ("two",), ("contrib",)),
            ("xy", "http://b.example/~me/x:y/", ("one",), ("main",)),
            ("c.example", "http://c.example", ("one",), ("main",)),
        )
    ]
    assert machine.left_out == []


def test_what_cannot_be_a_repository_is_said(machine: Machine) -> None:
    machine.write("sources.list", (
        "deb cdrom:[x y]/ a b\ndeb http://flat.example ./\ndeb [arch=s390x] http://other.example a b\n"
        "deb [signed-by=ABCD] http://id.example a b\ndeb file:/srv/mirror a b\ndeb tor+https://x.example a b\n"
    ))  # fmt: skip
    with pytest.raises(NotFound, match="names no mirror that could be used"):
        machine.found()
    assert [text.partition("left out: ")[2] for text in machine.left_out] == [
        "moss fetches nothing from such a place", "it has no suites, only a folder", "it is for s390x",
        "its keys are named by fingerprints; name a keyring's file in Signed-By in place of ABCD",
        "no keyring is named for it (Signed-By)", "moss fetches nothing from such a place",
    ]  # fmt: skip


def test_who_vouches_is_as_apt_has_it(machine: Machine, tmp_path: Path) -> None:
    first, second = tmp_path / "first.gpg", tmp_path / "second.asc"
    first.write_bytes(b"one")
    second.write_text("for you:\n" + armored(b"two"))
    machine.write("sources.list", (
        f"deb [signed-by={first}] http://a.example/one a b\ndeb [signed-by={first},{second}] http://a.example/two a b\n"
        f"deb [trusted=yes signed-by={first}] http://a.example/three a b\n"
        f"deb [check-valid-until=no] http://a.example/four a b\ndeb [signed-by={first}] file:/srv/five a b\n"
    ))  # fmt: skip
    found = [(one.name, one.trust, one.keys, one.unsigned, one.max_staleness) for one in machine.found()]
    assert found == [
        ("one", str(first), b"", False, None), ("two", None, b"onetwo", False, None), ("three", None, b"", True, None),
        ("four", None, b"", False, 36_500), ("five", str(first), b"", False, None),
    ]  # fmt: skip
    second.unlink()
    with pytest.raises(NotFound, match=r"second\.asc of .*sources\.list is not there"):
        machine.found()


def test_a_list_of_mirrors_is_a_repository_with_mirrors(machine: Machine) -> None:
    mirrors = machine.write("mirrors", "# first\nhttps://a.example/debian\tpriority:1\n\nhttps://b.example/debian\n")
    machine.write("sources.list", f"deb mirror+file:{mirrors} stable main\n")
    (found,) = machine.found()
    assert (found.uri, found.mirrors) == ("apt+https://a.example/debian", ("https://b.example/debian",))
    mirrors.write_text("ftp://c.example\n")
    with pytest.raises(NotFound, match="names no mirrors on the network"):
        machine.found()
