"""Packages of a Debian mirror are installed like any other, and a wrong file changes nothing."""

from pathlib import Path

import pytest

from moss.cli.main import main
from moss.db.generations import model_of
from moss.errors import CorruptData, NotFound
from moss.operations.commit import commit
from moss.operations.propose import propose
from moss.operations.queries import installed
from moss.operations.repositories import add_repository
from moss.operations.system import System, open_to_change
from moss.operations.verbs import install_request, update_request
from moss.plan import Plan
from tests.debian.indexes import Packaged, mirror, write_index

PACKAGES = (Packaged("tool", fields="Depends: library (>= 1.0)\n"), Packaged("library", "1.0-3", "all"))


def plan_of(system: System, name: str) -> Plan:
    return propose(system, install_request(model_of(system.record, system.active), [name]))


def test_a_package_is_converted_and_installed_and_is_the_one_on_offer(tmp_path: Path) -> None:
    place = mirror(tmp_path / "mirror", PACKAGES)
    root = tmp_path / "root"
    with open_to_change(str(root), command="test") as system:
        add_repository(system, "debian", f"apt+file:{place}")
        commit(system, plan_of(system, "tool"))
        assert [one.metadata.label for one in installed(system)] == ["library 1.0-3", "tool 1.0-1"]
        again = propose(system, update_request(model_of(system.record, system.active)))
        assert not again.has_changes
    assert (root / "usr/share/tool/1.0-1").read_bytes() == b"1.0-1"
    assert not (root / ".moss/cache/converted").exists()


@pytest.mark.parametrize(
    ("harm", "kind", "words"),
    [
        ("gone", NotFound, "lists the package and does not hold its file"),
        ("longer", CorruptData, "bytes, the index says"),
        ("changed", CorruptData, "is not the file that the index names"),
    ],
)
def test_a_wrong_file_in_the_pool_changes_nothing(
    harm: str, kind: type[CorruptData | NotFound], words: str, tmp_path: Path
) -> None:
    place = mirror(tmp_path / "mirror", PACKAGES)
    deb = place / PACKAGES[0].filename
    raw = deb.read_bytes()
    deb.unlink()
    if harm != "gone":
        deb.write_bytes(raw + b"x" if harm == "longer" else raw[:-1] + bytes([raw[-1] ^ 1]))
    with open_to_change(str(tmp_path / "root"), command="test") as system:
        add_repository(system, "debian", f"apt+file:{place}")
        with pytest.raises(kind) as caught:
            commit(system, plan_of(system, "tool"))
        assert words in " ".join((caught.value.message, *caught.value.because)) and caught.value.remedies
        assert system.active is None and installed(system) == []


def test_of_many_packages_what_stayed_behind_is_told_by_kind_and_with_v_each(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ["one", "two", "three", "four"]
    place = mirror(tmp_path / "mirror", [Packaged(name, scripts=("postinst",)) for name in names])

    def said(root: str, *words: str) -> str:
        directory = ["-D", str(tmp_path / root)]
        assert main([*directory, "repo", "add", "debian", f"apt+file:{place}", "--unsigned"]) == 0
        assert main([*directory, "install", "-y", *words]) == 0
        return " ".join(capfd.readouterr().err.split())

    assert said("few", *names[:3]).count("maintainer scripts that were not run: postinst") == 3
    many = said("many", *names)
    assert many.count("maintainer scripts") == 1
    assert "maintainer scripts not run (4 packages); -v tells of each" in many
    assert said("told", "-v", *names).count("maintainer scripts that were not run: postinst") == 4


def test_apts_lists_have_no_packages_and_that_is_said(tmp_path: Path) -> None:
    index = write_index(tmp_path / "m", "\n".join(one.paragraph() for one in PACKAGES), ending="")
    lists = tmp_path / "lists"
    lists.mkdir()
    index.rename(lists / "host.example_debian_dists_stable_main_binary-amd64_Packages")
    with open_to_change(str(tmp_path / "root"), command="test") as system:
        add_repository(system, "debian", f"apt+file:{lists}")
        with pytest.raises(NotFound, match="cannot be fetched") as caught:
            commit(system, plan_of(system, "tool"))
    assert "hold no packages" in caught.value.because[0]
    assert any("apt-get download" in remedy for remedy in caught.value.remedies)


def test_a_path_out_of_the_mirror_is_refused(tmp_path: Path) -> None:
    place = mirror(tmp_path / "mirror", PACKAGES)
    text = "\n".join(one.paragraph() for one in PACKAGES).replace("pool/main/tool", "../../tool")
    write_index(place, text)
    with open_to_change(str(tmp_path / "root"), command="test") as system:
        add_repository(system, "debian", f"apt+file:{place}")
        with pytest.raises(CorruptData, match="outside the mirror"):
            commit(system, plan_of(system, "tool"))
