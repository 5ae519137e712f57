"""An index that changed is compiled from what was compiled before, to the very bytes that a fresh compile makes."""

import copy
import hashlib
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from moss import __version__
from moss.db import candidates
from moss.debian import index as index_module
from moss.debian.compiled import Compiled
from moss.debian.index import Paragraph, read_index
from moss.debian.universe import IndexCompiler
from moss.errors import CorruptData
from moss.offers import compiled_before
from moss.operations.refreshing import update_repositories
from moss.operations.repositories import add_repository
from moss.operations.system import System, open_to_change
from tests.debian.indexes import write_index

ARCHITECTURES = ("amd64", "all")


@dataclass(frozen=True)
class Stanza:
    """A paragraph that nobody has a .deb of."""

    name: str
    version: str
    architecture: str = "amd64"
    fields: str = ""
    description: str = "for tests"

    @property
    def text(self) -> str:
        same = f"{self.name} {self.version} {self.architecture} {self.fields}"
        return (
            f"Package: {self.name}\nVersion: {self.version}\nArchitecture: {self.architecture}\n{self.fields}"
            f"Filename: pool/{self.name}.deb\nSize: {len(same) << 29}\n"
            f"SHA256: {hashlib.sha256(same.encode()).hexdigest()}\nDescription: {self.description}\n"
        )


def invented(chance: random.Random) -> Stanza:
    """With needs and offers of every kind, of names that others have too, and some that nobody has."""
    name = f"p{chance.randrange(40)}"
    fields = "".join(
        f"{field}: {', '.join(dict.fromkeys(relation(chance, field) for _ in range(chance.randrange(1, 4))))}\n"
        for field in ("Pre-Depends", "Depends", "Recommends", "Conflicts", "Breaks", "Replaces", "Provides")
        if chance.random() < 0.3
    )
    return Stanza(name, version(chance), chance.choice(("amd64", "amd64", "all", "i386")), fields)


def version(chance: random.Random) -> str:
    return f"{chance.randrange(3)}:{chance.randrange(9)}.{chance.choice('0ab~')}-{chance.randrange(3)}"


def relation(chance: random.Random, field: str) -> str:
    name = chance.choice((f"p{chance.randrange(40)}", f"v{chance.randrange(8)}", f"gone{chance.randrange(30)}"))
    if field == "Provides":
        return name + (f" (= {version(chance)})" if chance.random() < 0.5 else "")
    one = name + chance.choice(("", "", "", ":any", ":i386", ":amd64"))
    if chance.random() < 0.5:
        one += f" ({chance.choice(('<<', '<=', '=', '>=', '>>'))} {version(chance)})"
    if field in ("Depends", "Recommends") and chance.random() < 0.3:
        return f"{one} | {relation(chance, 'Depends')}"
    return one


def changed(stanzas: list[Stanza], chance: random.Random) -> list[Stanza]:
    """Some are gone, some are newer or say something else; some come, come twice, or elsewhere."""
    after: list[Stanza] = []
    for one in stanzas:
        what = chance.random()
        if what < 0.08:
            continue
        if what < 0.14:
            one = replace(one, version=version(chance))
        elif what < 0.18:  # the same .deb, described in another way
            one = replace(one, description=f"for tests {chance.random()}")
        elif what < 0.22:
            after.append(replace(one, description="comes before itself"))
        elif what < 0.26:
            after.append(one)
        elif what < 0.36:
            after.append(invented(chance))
        after.append(one)
    if chance.random() < 0.3:
        chance.shuffle(after)
    return after


def text_of(stanzas: list[Stanza]) -> str:
    return "\n".join(one.text for one in stanzas)


def compiled(text: str, before: Compiled | None = None) -> Compiled:
    compiler = IndexCompiler("one", before)
    for paragraph in read_index([text.encode()], "index", ARCHITECTURES):
        compiler.take(paragraph)
    return compiler.compiled()


@contextmanager
def taken_apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the packages whose paragraphs are taken apart meanwhile."""
    names: list[str] = []
    read = index_module._listed

    def listed(fields: dict[str, str], architecture: str, file: str) -> index_module.Listed:
        names.append(fields["Package"])
        return read(fields, architecture, file)

    with monkeypatch.context() as patched:
        patched.setattr(index_module, "_listed", listed)
        yield names


@pytest.mark.parametrize("seed", range(12))
def test_after_any_changes_the_universe_is_what_a_fresh_one_would_be(seed: int) -> None:
    chance = random.Random(seed)
    stanzas = [invented(chance) for _ in range(60)]
    before = compiled(text_of(stanzas))
    for _ in range(10):
        stanzas = changed(stanzas, chance)
        before, fresh = compiled(text_of(stanzas), before), compiled(text_of(stanzas))
        assert before == fresh


@pytest.mark.parametrize("first, second", [("", "Package"), ("Package", ""), ("", "")])
def test_an_index_without_packages_is_no_special_case(first: str, second: str) -> None:
    texts = {"": "", "Package": text_of([Stanza("one", "1", fields="Depends: two\n")])}
    assert compiled(texts[second], compiled(texts[first])) == compiled(texts[second])


def test_only_what_is_new_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(1)
    stanzas = [replace(invented(chance), name=f"q{number}", architecture="amd64") for number in range(30)]
    before = compiled(text_of(stanzas))
    stanzas[7] = replace(stanzas[7], version="9")
    with taken_apart(monkeypatch) as names:
        assert compiled(text_of([*reversed(stanzas), Stanza("new", "1")]), before).fingerprints
    assert sorted(names) == ["new", "q7"]


def test_what_another_moss_made_of_a_paragraph_is_not_taken_for_what_this_one_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (paragraph,) = read_index([Stanza("one", "1").text.encode()], "index", ARCHITECTURES)
    form_of, version, form = index_module._form_of, __version__, index_module._FORM
    assert form_of(version, form) == index_module._FORM_OF_THIS
    for other in (form_of(f"{version}.1", form), form_of(version, form + 1)):
        monkeypatch.setattr(index_module, "_FORM_OF_THIS", other)
        (again,) = read_index([Stanza("one", "1").text.encode()], "index", ARCHITECTURES)
        assert paragraph.fingerprint != again.fingerprint


class Mirror:
    """A mirror whose index changes, and a root that reads it again and again."""

    def __init__(self, place: Path, seed: int = 3) -> None:
        self.place, self.root = place / "mirror", place / "root"
        chance = random.Random(seed)
        self.stanzas = [replace(invented(chance), name=f"q{number}", architecture="amd64") for number in range(40)]
        self.write()
        with self.system() as system:
            add_repository(system, "debian", self.uri)

    @property
    def uri(self) -> str:
        return f"apt+file:{self.place}"

    def write(self) -> None:
        write_index(self.place, text_of(self.stanzas), ending="")

    def change(self) -> None:
        self.stanzas[5] = replace(self.stanzas[5], version="99")
        self.write()

    def system(self, root: Path | None = None) -> System:
        return open_to_change(str(root or self.root), command="test")

    def file(self, ending: str = "", root: Path | None = None) -> Path:
        """Of the universe (or of its fingerprints), of which there is one."""
        found = [*((root or self.root) / ".moss/cache/universes").glob("debian~*")]
        (file,) = [one for one in found if one.suffix == ending]
        return file

    def updated(self) -> dict[str, bytes]:
        with self.system() as system:
            assert update_repositories(system)[0].changed
        return self.files(self.root)

    def fresh(self, place: Path) -> dict[str, bytes]:
        """The files of a root that has never read anything before."""
        asked = (self.uri, text_of(self.stanzas))
        if asked not in _FRESH:
            with self.system(place) as system:
                add_repository(system, "debian", self.uri)
            _FRESH[asked] = self.files(place)
        return _FRESH[asked]

    def files(self, root: Path) -> dict[str, bytes]:
        return {one.name: one.read_bytes() for one in (root / ".moss/cache/universes").iterdir()}


_FRESH: dict[tuple[str, str], dict[str, bytes]] = {}
"""What was asked for before: many tests change the index in one way."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    return Mirror(tmp_path_factory.mktemp("made"))


@pytest.fixture
def mirror(made: Mirror, tmp_path: Path) -> Mirror:
    """With a copy of the root."""
    found = copy.copy(made)
    found.root, found.stanzas = tmp_path / "root", list(made.stanzas)
    shutil.copytree(made.root, found.root, symlinks=True)
    found.write()
    return found


def test_an_update_reads_what_changed_and_leaves_what_a_fresh_root_has(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        mirror.stanzas[5] = replace(mirror.stanzas[5], version=f"{number}")
        mirror.write()
        with taken_apart(monkeypatch) as names:
            files = mirror.updated()
        assert names == ["q5"]
    assert files == mirror.fresh(tmp_path / "fresh") and len(files) == 2
    with mirror.system() as system:
        (row,) = [one for one in candidates.all_of(system.offers, ["debian"]) if one.metadata.name == "q5"]
        assert row.metadata.version == "2"


def test_a_paragraph_whose_row_must_be_written_again_is_taken_apart_for_that(mirror: Mirror, tmp_path: Path) -> None:
    mirror.stanzas.reverse()
    mirror.write()
    assert mirror.updated() == mirror.fresh(tmp_path / "fresh")
    with mirror.system() as system:
        names = [one.name for one in candidates.listed_in(system.offers, "debian")]
    assert names == [one.name for one in mirror.stanzas]


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def cut(file: Path, count: int) -> None:
    file.write_bytes(file.read_bytes()[:-count])


def of_another_repository(mirror: Mirror, *, both: bool) -> None:
    """What a repository of the same name has come to in another root, which knows it from elsewhere."""
    elsewhere = Mirror(mirror.root.with_name("elsewhere"), seed=4)
    for ending in ("", ".fingerprints") if both else ("",):
        shutil.copyfile(elsewhere.file(ending), mirror.file(ending))


def of_another_order(file: Path) -> None:
    raw = file.read_bytes()
    file.write_bytes(raw[:16] + raw[32:48] + raw[16:32] + raw[48:])


def of_another_moss(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, and in a form that this moss cannot read."""
    with monkeypatch.context() as patched:
        patched.setattr("solver.tables.MAGIC", b"mossU\xff\r\n")
        mirror.change()
        mirror.updated()


HARMS: dict[str, Callable[[Mirror, pytest.MonkeyPatch], object]] = {
    "a bit of the universe": lambda it, _: flip(it.file(), -9),
    "a bit of the universe's tables": lambda it, _: flip(it.file(), 4000),
    "a bit of its beginning": lambda it, _: flip(it.file(), 5),
    "a bit of the fingerprints": lambda it, _: flip(it.file(".fingerprints"), -1),
    "a bit of the checksum": lambda it, _: flip(it.file(".fingerprints"), 3),
    "a universe that is cut": lambda it, _: cut(it.file(), 8),
    "an empty universe": lambda it, _: it.file().write_bytes(b""),
    "no universe": lambda it, _: it.file().unlink(),
    "fingerprints that are cut": lambda it, _: it.file(".fingerprints").write_bytes(b"short"),
    "a fingerprint too few": lambda it, _: cut(it.file(".fingerprints"), 16),
    "no fingerprints": lambda it, _: it.file(".fingerprints").unlink(),
    "fingerprints of another order": lambda it, _: of_another_order(it.file(".fingerprints")),
    "another repository's universe": lambda it, _: of_another_repository(it, both=False),
    "a universe of another moss": of_another_moss,
    "all of another repository": lambda it, _: of_another_repository(it, both=True),
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_not_as_it_was_written_is_not_built_upon(
    harm: str, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    HARMS[harm](mirror, monkeypatch)
    with mirror.system() as system:
        (revision,) = candidates.revisions(system.offers)
        assert compiled_before(system.root, revision) is None
    mirror.stanzas[6] = replace(mirror.stanzas[6], version="98")
    mirror.write()
    with taken_apart(monkeypatch) as names:
        files = mirror.updated()
    assert set(names) == {one.name for one in mirror.stanzas}
    assert files == mirror.fresh(tmp_path / "fresh")


def test_a_universe_that_was_lost_is_there_again_after_an_update(mirror: Mirror) -> None:
    universe = mirror.file().read_bytes()
    mirror.file().unlink()
    with mirror.system() as system:
        assert not update_repositories(system)[0].changed
    assert mirror.file().read_bytes() == universe


def test_a_repository_that_is_another_one_now_begins_anew(mirror: Mirror) -> None:
    with mirror.system() as system:
        (revision,) = candidates.revisions(system.offers)
        assert compiled_before(system.root, revision) is not None
        assert compiled_before(system.root, replace(revision, uri="apt+file:/elsewhere")) is None
        assert compiled_before(system.root, replace(revision, repository="other")) is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (b"Package: new\nVersion: one two\n", "new one two"),
        (b"Package: n\xffew\n", "is not UTF-8"),
        (b"Package: new\0\n", "control character"),
    ],
)
def test_a_wrong_paragraph_among_known_ones_changes_nothing(wrong: bytes, words: str, mirror: Mirror) -> None:
    files = mirror.files(mirror.root)
    good = text_of(mirror.stanzas[:20]).encode()
    rest = b"Architecture: amd64\nFilename: x\nSize: 1\nSHA256: " + b"0" * 64 + b"\n"
    path = mirror.place / "dists/stable/main/binary-amd64/Packages"
    path.write_bytes(good + b"\n" + wrong + rest + b"\n" + text_of(mirror.stanzas[20:]).encode())
    with mirror.system() as system, pytest.raises(CorruptData, match=words) as caught:
        update_repositories(system)
    assert str(path) in caught.value.message
    assert mirror.files(mirror.root) == files


def test_paragraphs_for_other_architectures_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = Stanza("one", "1"), Stanza("one", "1", "i386")
    before = compiled(text_of([here, there]))
    assert compiled(text_of([there, here]), before) == before
    assert len(before.fingerprints) == 16


def test_a_paragraph_knows_where_it_stands() -> None:
    raw = b"\n\nPackage: one\nArchitecture: i386\n\n\n\nPackage: tw\xffo\n"
    found: list[Paragraph] = [*read_index([raw], "index", ARCHITECTURES)]
    assert found[0].listed is None and len(found) == 2
    with pytest.raises(CorruptData) as caught:
        _ = found[1].listed
    assert str(raw.index(b"\xff")) in caught.value.message
