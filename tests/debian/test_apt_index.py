"""A Debian repository's index is a repository's content like any other, and a wrong one changes nothing."""

import gc
from pathlib import Path

import pytest

from moss.db import candidates
from moss.db.repositories import repositories as recorded
from moss.debian.index import Listed, metadata_from_paragraph, read_index
from moss.debian.source import AptSource
from moss.debian.universe import IndexCompiler
from moss.errors import CorruptData, MossError, NotFound, UsageError
from moss.foreign.apt import index_files, plain_pieces
from moss.offers import as_solver_package, open_universe, open_universes
from moss.operations.refreshing import update_repositories
from moss.operations.repositories import add_repository, list_repositories
from moss.operations.system import open_to_change
from solver import Problem, Request, Solution, Universe, Wish, parse_formula, solve
from tests.debian.indexes import ENDINGS, Packaged, mirror, write_index

LISTS = Path("/var/lib/apt/lists")

PACKAGES = (
    Packaged("tool", fields="Pre-Depends: libc (>= 2.36)\nDepends: libtool1 (= 1.0-1),plain | other:any\n"),
    Packaged("libtool1", fields="Provides: libtool (= 1.0), spare\nBreaks: tool (<< 0.9~)\nMulti-Arch: same\n"),
    Packaged("libc", "2.36-9+deb12u7", fields="Conflicts: old-libc, gone:i386\nReplaces: old-libc (< 2)\n"),
    Packaged(
        "plain", "1:0.5~rc1-2", "all",
        fields="Installed-Size: 40\nRecommends: tool | spare,\n libc:amd64\nHomepage: https://a.example\n",
    ),
    Packaged("foreign", architecture="i386"),
)


def listed(text: str) -> list[tuple[str, str]]:
    return [(one.name, one.architecture) for one in all_listed(text)]


def all_listed(text: str) -> list[Listed]:
    paragraphs = read_index([text.encode()], "index", ("amd64", "all"))
    return [one.listed for one in paragraphs if one.listed is not None]


def whole_index(packages: tuple[Packaged, ...] = PACKAGES) -> str:
    return "\n".join(one.paragraph() for one in packages)


def universe_text(universe: Universe) -> list[str]:
    """All that a universe says of its packages, and what their needs match among them."""
    said = []
    for number in range(len(universe)):
        needs = universe.depends[universe.depends_start[number] : universe.depends_start[number + 1]]
        matched = [
            list(universe.choice[universe.choice_start[one] : universe.choice_start[one + 1]]) for one in needs
        ]
        said.append(f"{universe.package(number)!r} {matched}")
    return said


def both_ways(text: str) -> tuple[bytes, bytes]:
    """The universe compiled from the index, and the one compiled from each package's metadata."""
    compiler = IndexCompiler("r")
    packages = []
    for one in all_listed(text):
        compiler.add(one, "index")
        metadata = metadata_from_paragraph(one.paragraph, one.key)
        packages.append(as_solver_package(metadata, one.key, "r", one.size, one.installed_size))
    return bytes(compiler.compiled().universe), Universe.compile(packages)


def test_the_universe_of_an_index_is_that_of_its_packages_metadata() -> None:
    straight, by_metadata = both_ways(whole_index())
    assert straight == by_metadata
    assert len(Universe.from_bytes(straight)) == 4


def test_the_universe_of_an_index_depends_on_no_order() -> None:
    straight, _ = both_ways(whole_index())
    for first in range(1, len(PACKAGES)):
        assert both_ways(whole_index(PACKAGES[first:] + PACKAGES[:first]))[0] == straight


def test_packages_for_other_architectures_are_passed_over() -> None:
    assert ("foreign", "386") not in listed(whole_index())
    assert ("plain", "noarch") in listed(whole_index())


def test_metadata_from_the_cache_is_that_of_the_whole_paragraph() -> None:
    (tool, *_, plain) = all_listed(whole_index())
    metadata = metadata_from_paragraph(plain.paragraph, plain.key)
    assert metadata.homepage == "https://a.example" and metadata.summary == "plain for tests"
    assert metadata.source_digest == plain.key == f"sha256:{plain.sha256}"
    assert [str(one) for one in metadata.relations.recommends] == ["tool | spare", "libc::x86_64"]
    assert tool.summary == "tool for tests"


@pytest.mark.parametrize("step", [1, 7, 100, 100_000])
def test_an_index_reads_the_same_in_pieces_of_any_size(step: int) -> None:
    raw = whole_index().encode()
    pieces = [raw[start : start + step] for start in range(0, len(raw), step)]
    found = [one.listed for one in read_index(pieces, "index", ("amd64", "all"))]
    assert found == [one.listed for one in read_index([raw], "index", ("amd64", "all"))]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_mirror_is_added_whatever_compresses_its_index(ending: str, tmp_path: Path) -> None:
    place = mirror(tmp_path / "mirror", PACKAGES, ending=ending)
    with open_to_change(str(tmp_path / "root"), command="test") as system:
        refresh = add_repository(system, "debian", f"apt+file:{place}")
        assert refresh.package_count == 4
        assert not update_repositories(system)[0].changed
        (state,) = list_repositories(system)
        assert state.revision is not None
        universe = open_universe(system.root, system.offers, state.revision)
        for file in (tmp_path / "root/.moss/cache/universes").iterdir():
            file.unlink()
        again = open_universe(system.root, system.offers, state.revision)
        assert universe_text(again) == universe_text(universe)


def test_what_a_universe_tells_of_a_candidate_is_what_the_cache_has(tmp_path: Path) -> None:
    with open_to_change(str(tmp_path / "root"), command="test") as system:
        add_repository(system, "debian", f"apt+file:{mirror(tmp_path / 'mirror', PACKAGES)}")
        (universe,) = open_universes(system.root, system.offers, recorded(system.record))
        problem = Problem((universe,), (), Request(wishes=(Wish(parse_formula("tool & plain")),)))
        solution = solve(problem)
        assert isinstance(solution, Solution) and len(solution.chosen) == 4
        for one in solution.chosen:
            ((place, told),) = candidates.listed(system.offers, [(one, solution.details[one.key])]).items()
            assert place == ("debian", one.key)
            kept = candidates.by_keys(system.offers, [(one.name, one.repository, one.key)])["debian", one.key]
            assert (told.metadata.label, told.stone_size, told.installed_size) == (
                kept.metadata.label, kept.stone_size, kept.installed_size,
            )  # fmt: skip
            assert told == kept and told.metadata == kept.metadata


@pytest.mark.parametrize("harm", [b"", b"of another moss", None])
def test_a_universe_that_cannot_be_read_is_written_anew_by_an_update(harm: bytes | None, tmp_path: Path) -> None:
    place = mirror(tmp_path / "mirror", PACKAGES)
    with open_to_change(str(tmp_path / "root"), command="test") as system:
        add_repository(system, "debian", f"apt+file:{place}")
        (path,) = Path(system.root.universes).glob("debian~????????????????????????????????")
        content = path.read_bytes()
        path.unlink() if harm is None else path.write_bytes(harm)
        assert not update_repositories(system)[0].changed
        assert path.read_bytes() == content


@pytest.mark.parametrize("ending", ENDINGS)
def test_apts_own_lists_are_a_repository(ending: str, tmp_path: Path) -> None:
    name = f"mirror.example_debian_dists_stable-updates_main_binary-amd64_Packages{ending}"
    (tmp_path / name).write_bytes(ENDINGS[ending](whole_index().encode()))
    (found,) = index_files(AptSource.parse(f"apt+file:{tmp_path}").narrowed((), ("main",), "amd64"))
    assert b"".join(plain_pieces(found.path)).decode() == whole_index()


def test_a_source_reads_back_as_it_prints() -> None:
    source = AptSource.parse("apt+file:/a b/c").narrowed(("stable", "a/b"), ("main",), "arm64")
    assert AptSource.parse(str(source)) == source
    assert AptSource.parse("apt+https://example.org/debian").transport == "https"


@pytest.mark.parametrize(
    ("uri", "kind", "words"),
    [
        ("apt+ftp:/x", UsageError, "names no apt repository"),
        ("apt+file:", UsageError, "names no place"),
        ("apt+file:/x?colour=red", UsageError, "colour=red"),
        ("apt+https://example.org/debian", UsageError, "names no suite"),
        ("apt+file:/nowhere/at/all", NotFound, "is not a directory"),
    ],
)
def test_a_source_that_cannot_be_read_says_why(
    uri: str, kind: type[MossError], words: str, tmp_path: Path
) -> None:
    with open_to_change(str(tmp_path / "root"), command="test") as system:
        with pytest.raises(kind, match=words) as caught:
            add_repository(system, "debian", uri)
        assert caught.value.remedies
        assert list_repositories(system) == []


def test_a_suite_or_component_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    place = mirror(tmp_path, PACKAGES)
    source = AptSource.parse(f"apt+file:{place}")
    with pytest.raises(NotFound, match="no suite sid") as caught:
        index_files(source.narrowed(("sid",), (), ""))
    assert caught.value.because == ("there are: stable",)
    with pytest.raises(NotFound, match="no index for amd64"):
        index_files(source.narrowed((), ("contrib",), "amd64"))
    mirror(tmp_path, PACKAGES, suite="testing")
    with pytest.raises(UsageError, match="several suites: stable, testing"):
        index_files(source)


def paragraph_with(old: str, new: str) -> str:
    text = whole_index()
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (paragraph_with("SHA256: ", "SHA256: x"), "paragraph of tool 1.0-1: the field 'SHA256'"),
        (paragraph_with("SHA256: ", "SHA1: "), "the field 'SHA256' is missing"),
        (paragraph_with("Size: ", "Size: minus "), "the field 'Size'"),
        (paragraph_with("Size: ", "Size: -"), "the field 'Size'"),
        (paragraph_with("libc (>= 2.36)", "libc (~ 2.36)"), "tool 1.0-1: Pre-Depends: 'libc"),
        (paragraph_with("Version: 1.0-1", "Version: one two"), "is not a DEB version"),
        (paragraph_with("libtool (= 1.0)", "libtool (>= 1.0)"), "libtool1 1.0-1: Provides"),
        (paragraph_with("Architecture: amd64\n", ""), "the field 'Architecture' is missing"),
        (paragraph_with("Package: tool", "Package: ../tool"), "cannot be one"),
        (paragraph_with("Version: ", "Version "), "is no field"),
        (paragraph_with("for tests", "for\0tests"), "control character"),
        (paragraph_with("\nSize", "\nVersion: 2\nSize"), "comes twice"),
        ("<html>no index here</html>\n", "is no field"),
    ],
)
def test_a_malformed_index_is_refused_and_the_old_content_stays(
    text: str, words: str, tmp_path: Path
) -> None:
    place = mirror(tmp_path / "mirror", PACKAGES)
    with open_to_change(str(tmp_path / "root"), command="test") as system:
        add_repository(system, "debian", f"apt+file:{place}")
        path = write_index(place, text)
        with pytest.raises(CorruptData, match=words) as caught:
            update_repositories(system)
        assert str(path) in caught.value.message and caught.value.remedies
        (state,) = list_repositories(system)
        assert state.revision is not None and state.revision.package_count == 4
        assert len(open_universe(system.root, system.offers, state.revision)) == 4
    assert gc.isenabled()


@pytest.mark.parametrize("ending", [".lz4", ".gz", ".xz", ".zst"])
@pytest.mark.parametrize("harm", ["cut", "changed", "longer"])
def test_a_damaged_compressed_index_is_refused_by_name(ending: str, harm: str, tmp_path: Path) -> None:
    raw = bytearray(ENDINGS[ending]((whole_index() * 40).encode()))
    if harm == "cut":
        raw = raw[: len(raw) // 2]
    elif harm == "changed":
        raw[:4] = b"\xff\xff\xff\xff"
    else:
        raw += b"more"
    path = tmp_path / f"Packages{ending}"
    path.write_bytes(raw)
    with pytest.raises(CorruptData, match=str(path)):
        for _ in plain_pieces(str(path)):
            pass


def test_a_mirror_is_held_to_its_release(tmp_path: Path) -> None:
    place = mirror(tmp_path / "mirror", PACKAGES)
    release = place / "dists/stable/Release"
    release.write_text(f"Suite: stable\nSHA256:\n {'0' * 64} 17 main/binary-amd64/Packages.gz\n")
    with (
        open_to_change(str(tmp_path / "root"), command="test") as system,
        pytest.raises(CorruptData, match="its Release says 17 and 0000"),
    ):
        add_repository(system, "debian", f"apt+file:{place}")


def test_the_machines_own_lists_are_read_whole(tmp_path: Path) -> None:
    if not any(LISTS.glob("*_Packages*")):
        pytest.skip("this machine has no apt lists")
    found = index_files(AptSource.parse(f"apt+file:{LISTS}"))
    smallest = min((one.path for one in found), key=lambda path: Path(path).stat().st_size)
    text = b"".join(plain_pieces(smallest)).decode()
    straight, by_metadata = both_ways(text)
    assert straight == by_metadata
