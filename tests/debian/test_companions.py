"""Packages of a second architecture stand beside those of the machine's own, as Debian's Multi-Arch has it."""

import hashlib
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from moss.db import repositories as recorded
from moss.db.generations import model_of, selection_of
from moss.db.origins import Origin
from moss.debian.index import Listed, metadata_from_paragraph, read_index
from moss.debian.universe import IndexCompiler
from moss.digest import PackageDigest
from moss.errors import MossError, NotFound, Unsatisfiable
from moss.facts import Fact
from moss.foreign.deb import convert
from moss.generation import PackageId
from moss.indexing import index
from moss.layout import Entry
from moss.model import SystemModel
from moss.offers import as_solver_package
from moss.operations.apt_packages import packages_source
from moss.operations.commit import commit
from moss.operations.near_sources import CachedPackage, contents_of_cached
from moss.operations.propose import propose
from moss.operations.refreshing import update_repositories
from moss.operations.repositories import Narrowing, add_repository
from moss.operations.system import System, open_to_change
from moss.operations.verbs import install_request, remove_request
from moss.repository import Repository, Voucher, Vouching
from moss.stone import open_stone
from solver import Universe
from tests.conftest import PROJECT
from tests.debian.closure import AptUnavailable, lists_of
from tests.debian.indexes import Packaged, write_index, write_pool
from tests.debian.test_apt_index import LISTS, universe_text
from tests.foreign.debmaker import Deb, Item, folder

SAME, FOREIGN = "Multi-Arch: same\n", "Multi-Arch: foreign\n"


def both(name: str, fields: str = "", version: str = "1.0-1") -> tuple[Packaged, Packaged]:
    return Packaged(name, version, fields=fields), Packaged(name, version, "i386", fields)


PACKAGES = (
    *both("libc", SAME + "Provides: libc-abi (= 5)\nConflicts: libc-abi\n"),
    *both("libgl", SAME + "Depends: libc (>= 1.0), data, script:any\n"),
    *both("tool", FOREIGN + "Depends: libc\n"),
    *both("editor", "Depends: libc\n"),
    *both("script", "Multi-Arch: allowed\nDepends: libc\n"),
    Packaged("data", architecture="all", fields=FOREIGN),
    Packaged("wine32", "1.0-1", "i386", FOREIGN + "Depends: libgl, tool, libc-abi (= 5)\nProvides: wine-any\n"),
    Packaged("wine", architecture="all", fields=FOREIGN + "Depends: wine64 | wine32\n"),
    Packaged("game", architecture="i386", fields="Depends: closed-data\n"),
    Packaged("closed-data", architecture="all"),
    Packaged("old-game", architecture="i386", fields="Conflicts: editor\nBreaks: tool (<< 0.5)\nReplaces: editor\n"),
    Packaged("libs", fields="Recommends: libgl:i386 (>= 1.0)\nDepends: libgl\n"),
)


def text(architecture: str, packages: tuple[Packaged, ...] = PACKAGES) -> str:
    return "\n".join(one.paragraph() for one in packages if one.architecture in (architecture, "all"))


def write_mirror(place: Path, packages: tuple[Packaged, ...] = PACKAGES) -> Path:
    write_pool(place, packages)
    for architecture in ("amd64", "i386"):
        write_index(place, text(architecture, packages), architecture=architecture)
    return place


@pytest.fixture
def system(tmp_path: Path):  # type: ignore[no-untyped-def]
    """On an x86_64 machine, with a mirror's amd64 and i386."""
    place = write_mirror(tmp_path / "mirror")
    with machine(tmp_path) as system:
        add_both(system, place)
        yield system


def machine(tmp_path: Path, architecture: str = "x86_64") -> AbstractContextManager[System]:
    """A system of that architecture, whatever this one is."""
    facts = (Fact(f"arch({architecture})", "FILE:1"),)
    return open_to_change(str(tmp_path / "root"), command="test", facts=facts)


def add_both(system: System, place: Path) -> None:
    add_repository(system, "debian", f"apt+file:{place}", narrowing=Narrowing(architecture="amd64"))
    add_repository(system, "debian32", f"apt+file:{place}", narrowing=Narrowing(architecture="i386"))


def model(system: System) -> SystemModel:
    return model_of(system.record, system.active)


def chosen(system: System, *names: str) -> list[str]:
    return sorted(one.name for one in propose(system, install_request(model(system), names)).chosen)


def install(system: System, *names: str) -> None:
    commit(system, propose(system, install_request(model(system), names)))


def paths_of(system: System) -> set[str]:
    root = Path(system.root.path) / "usr/share"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def companions(source: str) -> list[Listed]:
    paragraphs = read_index([source.encode()], "index", ("i386",), companions=True)
    return [one.listed for one in paragraphs if one.listed is not None]


def test_libraries_of_both_architectures_are_installed_side_by_side(system: System) -> None:
    install(system, "libgl", "libgl:i386")
    assert system.active is not None
    found = {one.metadata.name: one.metadata.architecture for one in selection_of(system.record, system.active)}
    assert found == {
        "libgl": "x86_64", "libgl:i386": "386", "libc": "x86_64", "libc:i386": "386", "data": "noarch",
        "script": "x86_64",
    }  # fmt: skip
    assert {"libgl/1.0-1", "libc/1.0-1"} <= paths_of(system)  # the same in both, as Multi-Arch: same promises
    install(system, "wine32")


def test_what_a_companion_needs_is_of_its_architecture_or_serves_every_one(system: System) -> None:
    assert chosen(system, "wine32") == [
        "data", "libc", "libc:i386", "libgl:i386", "script", "tool", "wine32:i386"
    ]  # fmt: skip
    assert chosen(system, "tool:i386") == ["libc:i386", "tool:i386"]


def test_a_companion_that_serves_every_architecture_is_for_the_machines_own_too(system: System) -> None:
    assert "wine32:i386" in chosen(system, "wine")
    assert "wine32:i386" in chosen(system, "wine-any")


def test_a_package_may_name_a_companion(system: System) -> None:
    assert {"libgl", "libgl:i386"} <= set(chosen(system, "libs"))


def test_what_serves_only_its_own_architecture_meets_no_need_of_a_companion(system: System) -> None:
    with pytest.raises(Unsatisfiable) as caught:
        chosen(system, "game:i386")
    assert "game:i386 1.0-1 needs closed-data:i386" in " ".join((caught.value.message, *caught.value.because))


@pytest.mark.parametrize("names", [("editor", "editor:i386"), ("editor", "old-game:i386"), ("script", "script:i386")])
def test_what_cannot_be_beside_its_namesake_is_told(system: System, names: tuple[str, str]) -> None:
    with pytest.raises(Unsatisfiable) as caught:
        chosen(system, *names)
    said = " ".join((caught.value.message, *caught.value.because))
    assert f"{names[1]} 1.0-1 conflicts with {names[0]}" in said


def test_who_asks_for_an_architecture_that_no_repository_is_for_is_told_how_to_add_one(tmp_path: Path) -> None:
    place = write_mirror(tmp_path / "mirror")
    with machine(tmp_path) as system:
        narrowing = Narrowing(suites=("stable",), components=("main",), architecture="amd64")
        add_repository(system, "debian", f"apt+file:{place}", narrowing=narrowing)
        with pytest.raises(NotFound, match="there is no package libgl:i386") as caught:
            chosen(system, "libgl:i386")
        assert caught.value.because == ("libgl is there, and no repository is for i386",)
        wanted = f"moss repo add debian-i386 apt+file://{place} --suite stable --component main --arch i386"
        assert caught.value.remedies[0] == wanted
        with pytest.raises(NotFound) as caught:
            chosen(system, "nothing:i386")
        assert not caught.value.because
        add_both_words = wanted.split()[4:]
        assert add_both_words[0] == f"apt+file://{place}"
        second = Narrowing(suites=("stable",), components=("main",), architecture="i386")
        add_repository(system, "debian-i386", add_both_words[0], narrowing=second)
        assert "libgl:i386" in chosen(system, "libgl:i386")
        with pytest.raises(NotFound) as caught:
            chosen(system, "data:i386")
        assert not caught.value.because


@pytest.mark.parametrize(
    ("name", "because"),
    [
        ("libgl:amd64", "what is for amd64, as this machine is, is called without it"),
        ("libgl:arm64", "libgl is there, and this machine runs no programs for arm64"),
        ("libgl:x", "libgl is there, and this machine runs no programs for x"),
    ],
)
def test_what_no_repository_could_bring_is_told_without_one(system: System, name: str, because: str) -> None:
    with pytest.raises(NotFound) as caught:
        chosen(system, name)
    assert caught.value.because == (because,)
    assert ("say libgl" in caught.value.remedies) is (name == "libgl:amd64")
    assert "repo add" not in str(caught.value.remedies)


@pytest.mark.parametrize(
    ("vouching", "words"),
    [
        (Vouching(Voucher.KEYRING, "/etc/key.gpg"), ("--trust", "/etc/key.gpg")),
        (Vouching(Voucher.KEYRING, "", 30), ("--max-staleness", "30")),
        (Vouching(Voucher.NOBODY), ("--unsigned",)),
    ],
)
def test_the_command_that_adds_one_says_what_was_said_of_the_other(
    tmp_path: Path, vouching: Vouching, words: tuple[str, ...]
) -> None:
    place = write_mirror(tmp_path / "mirror")
    with machine(tmp_path) as system:
        for name in ("debian", "security"):
            add_repository(system, name, f"apt+file:{place}", narrowing=Narrowing(architecture="amd64"))
        recorded.remove(system.record, "debian")
        known = Repository("debian", f"apt+file:{place}?arch=amd64", 5, True, vouching, ("https://other/debian",))
        recorded.add(system.record, known, 0)
        with pytest.raises(NotFound) as caught:
            chosen(system, "libgl:i386")
        (command,) = [one for one in caught.value.remedies if one.startswith("moss repo add")]
        assert command.split() == [
            *("moss", "repo", "add", "debian-i386", f"apt+file://{place}", "--arch", "i386"),
            *(*words, "--priority", "5", "--mirror", "https://other/debian"),
        ]


def test_where_the_architecture_does_not_matter_one_of_both_is_enough(system: System) -> None:
    assert chosen(system, "tool", "tool:i386") == ["libc:i386", "tool:i386"]
    assert chosen(system, "tool") == ["libc", "tool"]


def test_libraries_of_both_architectures_move_together(tmp_path: Path) -> None:
    newer = (*PACKAGES, Packaged("libgl", "2.0-1", fields=SAME + "Depends: libc\n"))
    with machine(tmp_path) as system:
        add_both(system, write_mirror(tmp_path / "mirror", newer))
        both_there = propose(system, install_request(model(system), ["libgl", "libgl:i386"])).chosen
        assert {one.metadata.version for one in both_there if one.name.startswith("libgl")} == {"1.0-1"}
        alone = propose(system, install_request(model(system), ["libgl"])).chosen
        assert {one.metadata.version for one in alone if one.name == "libgl"} == {"2.0-1"}


def test_on_a_machine_of_that_architecture_names_are_plain(tmp_path: Path) -> None:
    place = write_mirror(tmp_path / "mirror")
    with machine(tmp_path, "386") as system:
        add_repository(system, "debian", f"apt+file:{place}", narrowing=Narrowing(architecture="i386"))
        assert chosen(system, "wine32") == ["data", "libc", "libgl", "script", "tool", "wine32"]


def test_what_was_read_as_the_machines_own_is_not_taken_for_a_companion() -> None:
    raw = [text("i386").encode()]
    own = {one.fingerprint for one in read_index(raw, "index", ("i386",))}
    beside = {one.fingerprint for one in read_index(raw, "index", ("i386",), companions=True)}
    assert own and own.isdisjoint(beside)


def test_another_machine_makes_another_reading_of_it(tmp_path: Path) -> None:
    uri = f"apt+file:{write_mirror(tmp_path)}?arch=i386"
    assert packages_source(uri, "x86_64").digest != packages_source(uri, "386").digest


def test_what_serves_every_architecture_does_so_where_nobody_offers_it_any_more(tmp_path: Path) -> None:
    with machine(tmp_path) as system:
        add_both(system, write_mirror(tmp_path / "mirror"))
        install(system, "tool")
        write_mirror(tmp_path / "mirror", tuple(one for one in PACKAGES if one != PACKAGES[4]))
        update_repositories(system)
        assert {"tool", "wine32:i386"} <= set(chosen(system, "wine32"))


def test_what_is_damaged_comes_back_from_its_deb(system: System, tmp_path: Path) -> None:
    items = (folder("./etc/"), Item("./etc/libgl.conf", b"x"))
    deb = Deb(items, fields="Package: libgl\nVersion: 1\nArchitecture: i386\nDescription: x\n").bytes()
    path = tmp_path / hashlib.sha256(deb).hexdigest()
    path.write_bytes(deb)
    done = convert(str(path), str(tmp_path / "stones"), companion=True)
    assert Path(done.stone).name == "libgl%3ai386-1-1-1-386.stone"
    (line,) = [one for one in open_stone_layout(done.stone) if one.path == "lib/tmpfiles.d/moss-libgl:i386.conf"]
    origin = Origin(PackageId(1), "libgl:i386", "libgl:i386 1", PackageDigest("0" * 64), "", 1)
    assert line.digest is not None
    with contents_of_cached(system, CachedPackage(str(path), origin, frozenset([line.digest]))) as found:
        assert line.digest in {one.digest for one in found}


def test_companions_come_as_stones_too_and_bring_out_what_both_have_once(tmp_path: Path) -> None:
    stones = tmp_path / "stones"
    for architecture in ("amd64", "i386"):
        items = (folder("./etc/"), Item("./etc/libx.conf", b"same"), Item("./usr/share/x", b"x"))
        fields = f"Package: libx\nVersion: 1\nArchitecture: {architecture}\nMulti-Arch: same\nDescription: x\n"
        path = tmp_path / f"{architecture}.deb"
        path.write_bytes(Deb(items, fields=fields).bytes())
        convert(str(path), str(stones), companion=architecture == "i386")
    index(str(stones))
    with machine(tmp_path) as system:
        add_repository(system, "stones", str(stones / "stone.index"), unsigned=True)
        install(system, "libx", "libx:i386")
        assert names_here(system) == ["libx", "libx:i386"]
        assert Path(system.root.path, "etc/libx.conf").read_bytes() == b"same"
    (tmp_path / "other").mkdir()
    with machine(tmp_path / "other", "aarch64") as system:
        add_repository(system, "stones", str(stones / "stone.index"), unsigned=True)
        with pytest.raises(Unsatisfiable):
            chosen(system, "libx:i386")


@pytest.mark.parametrize("companion", [False, True])
def test_recipes_come_with_the_machines_own_packages_only(tmp_path: Path, companion: bool) -> None:
    fields = "Package: mawk\nVersion: 1\nArchitecture: i386\nDescription: x\n"
    path = tmp_path / "mawk.deb"
    path.write_bytes(Deb((folder("./usr/"), folder("./usr/bin/"), Item("./usr/bin/mawk", b"")), fields=fields).bytes())
    done = convert(str(path), str(tmp_path / "stones"), companion=companion)
    paths = {one.path for one in open_stone_layout(done.stone)}
    assert "bin/mawk" in paths and ("bin/awk" in paths) is not companion
    assert not done.warnings


def open_stone_layout(path: str) -> list[Entry]:
    with open(path, "rb") as file:
        return list(open_stone(file, path).layout)


def test_the_index_says_of_companions_what_their_packages_say() -> None:
    compiler, packages = IndexCompiler("r"), []
    for one in companions(text("i386")):
        compiler.add(one, "index")
        metadata = metadata_from_paragraph(one.paragraph, one.key)
        assert metadata.name == one.name and metadata.name.endswith(":i386")
        provided = {provide.name for provide in metadata.relations.provides} - {one.name}
        assert sorted(provided) == one.provided_names
        packages.append(as_solver_package(metadata, one.key, "r", one.size, one.installed_size))
    straight = Universe.from_bytes(compiler.compiled().universe)
    assert universe_text(straight) == universe_text(Universe.of(packages))
    assert len(straight) == 8


def test_the_machines_own_lists_say_of_companions_what_their_packages_say() -> None:
    from moss.foreign.apt import plain_pieces

    found = sorted(LISTS.glob("*_Packages*"), key=lambda path: path.stat().st_size)
    if not found:
        pytest.skip("this machine has no apt lists")
    raw = b"".join(plain_pieces(str(found[0]))).decode().replace("Architecture: amd64\n", "Architecture: i386\n")
    compiler, packages = IndexCompiler("r"), []
    for one in companions(raw):
        compiler.add(one, "index")
        metadata = metadata_from_paragraph(one.paragraph, one.key)
        packages.append(as_solver_package(metadata, one.key, "r", one.size, one.installed_size))
    assert universe_text(Universe.from_bytes(compiler.compiled().universe)) == universe_text(Universe.of(packages))


def test_a_package_cannot_call_itself_a_companion(tmp_path: Path) -> None:
    path = tmp_path / "x.deb"
    path.write_bytes(Packaged("libgl:i386").deb())
    with pytest.raises(MossError, match="'libgl:i386', which cannot be one"):
        convert(str(path), str(tmp_path / "stones"))


STEAM = (
    *both("libgl1", SAME), *both("libgl1-mesa-dri", SAME), *both("mesa-vulkan-drivers", SAME),
    *both("nvidia-driver-libs", SAME), Packaged("nvidia-driver", fields="Depends: nvidia-driver-libs\n"),
    Packaged("steam", "1.0-1", "i386", FOREIGN + "Depends: steam-installer\n"), *both("steam-installer", FOREIGN),
    Packaged("steam-libs-i386", "1.0-1", "i386", FOREIGN),
)  # fmt: skip


def define_graphics(system: System) -> None:
    """As the definitions for Debian do."""
    place = Path(system.root.path, "etc/moss/subscriptions")
    place.mkdir(parents=True)
    shutil.copyfile(PROJECT / "fixtures/subscriptions/graphics.kdl", place / "graphics.kdl")


def test_the_32_bit_driver_comes_with_steam_beside_the_64_bit_one_and_goes_with_it(tmp_path: Path) -> None:
    with machine(tmp_path) as system:
        add_both(system, write_mirror(tmp_path / "mirror", STEAM))
        define_graphics(system)
        install(system, "nvidia-driver", "libgl1-mesa-dri")
        assert not [one for one in names_here(system) if one.endswith(":i386")]
        install(system, "steam")
        brought = {one for one in names_here(system) if one.endswith(":i386")}
        drivers = {"libgl1:i386", "libgl1-mesa-dri:i386", "mesa-vulkan-drivers:i386", "nvidia-driver-libs:i386"}
        assert brought == {"steam:i386", "steam-libs-i386:i386"} | drivers
        plan = propose(system, remove_request(model(system), ["steam"], names_here(system)))
        gone = {one.metadata.name: one.because for one in plan.removals}
        assert set(gone) == {*brought, "steam-installer"}
        assert "32bit-graphics" in gone["nvidia-driver-libs:i386"] and "steam" in gone["nvidia-driver-libs:i386"]
        commit(system, plan)
        assert names_here(system) == ["libgl1-mesa-dri", "nvidia-driver", "nvidia-driver-libs"]


def names_here(system: System) -> list[str]:
    return [one.metadata.name for one in selection_of(system.record, system.active)]


@pytest.mark.slow
def test_wine_on_a_real_desktop_brings_32_bit_drivers(tmp_path: Path) -> None:
    """Planned by Debian 12's own indexes of both architectures."""
    try:
        lists = lists_of(("main", "contrib", "non-free", "non-free-firmware"), ("amd64", "i386"), suite="bookworm")
    except AptUnavailable as fault:
        pytest.skip(f"apt fetches no lists of Debian's: {fault}")
    with machine(tmp_path) as system:
        add_both(system, Path(lists))
        define_graphics(system)
        drivers = {"libgl1:i386", "libgl1-mesa-dri:i386", "mesa-vulkan-drivers:i386", "libc6:i386"}
        assert not any(one.endswith(":i386") for one in chosen(system, "libgl1-mesa-dri"))
        assert drivers | {"wine32:i386", "libc6", "libgl1-mesa-dri"} <= set(chosen(system, "libgl1-mesa-dri", "wine"))
        steam = set(chosen(system, "nvidia-driver", "steam-installer"))
        assert {"nvidia-driver-libs", "nvidia-driver-libs:i386", "steam-libs-i386:i386", "steam-installer"} <= steam
        assert drivers <= steam
