"""Machines of every kind, by files of their facts: the same wishes give each its own, right system."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from moss.cli.main import main
from moss.facts import FactKind
from moss.facts_file import parse_facts
from moss.package import Relations
from solver import parse_formula
from solver.model import Provide
from solver.values import replace
from tests.builders import metadata, write_package
from tests.cli.conftest import Moss
from tests.conftest import PROJECT

MACHINES = {path.stem: path for path in sorted((PROJECT / "fixtures" / "machines").glob("*.facts"))}

# What comes along where the machine has what it is for.
FOLLOWERS = {
    "amd-vaapi": "modalias(pci:v00001002d*bc03*)",
    "bcm-wifi-firmware": "modalias(sdio:c*v02D0*)",
    "guest-kvm": "virt(kvm)",
    "guest-vbox": "virt(oracle)",
    "guest-vmware": "virt(vmware)",
    # The newer of Intel's two drivers begins with the eighth generation of its graphics.
    "intel-vaapi-old": "modalias(pci:v00008086d00002A42*bc03*)",
    "intel-vaapi": "modalias(pci:v00008086d00005917*bc03*) | modalias(pci:v00008086d00009A49*bc03*)"
    " | modalias(pci:v00008086d00009BC5*bc03*)",
    "intel-wifi-firmware": "modalias(pci:v00008086d*bc02sc80*)",
    "language-de": "locale(de_*)",
    "laptop": "modalias(acpi:PNP0C0A:*)",
    "mellanox-tools": "modalias(pci:v000015B3d*bc02*)",
    "nvidia-driver": "modalias(pci:v000010DEd*bc03*)",
    "pi-firmware": "modalias(of:N*T*Craspberrypi,bcm2835-firmware*)",
    "thinkpad": "modalias(dmi:*:pvrThinkPad*)",
    "real-machine": "virt(none)",
}

EXPECTED = {
    "cloud-kvm": "codec-v3 guest-kvm",
    "desktop-intel-nvidia": "codec-v3 intel-vaapi intel-wifi-firmware nvidia-driver real-machine",
    "desktop-ryzen-radeon": "codec-v3 amd-vaapi intel-wifi-firmware real-machine",
    "epyc-server": "codec-v3 mellanox-tools real-machine",
    "nuc11": "codec-v4 intel-vaapi intel-wifi-firmware real-machine",
    "raspberry-pi-4": "codec-v1 bcm-wifi-firmware pi-firmware real-machine",
    "thinkpad-t400": "codec-v1 intel-vaapi-old intel-wifi-firmware laptop real-machine thinkpad",
    "thinkpad-t480": "codec-v3 intel-vaapi intel-wifi-firmware language-de laptop real-machine thinkpad",
    "thinkpad-x13-amd": "codec-v3 amd-vaapi intel-wifi-firmware laptop real-machine thinkpad",
    "virtualbox-guest": "codec-v3 guest-vbox",
    "vmware-guest": "codec-v3 guest-vmware",
}


def add(
    folder: Path,
    name: str,
    *architectures: str,
    needs: Sequence[str] = (),
    provides: Sequence[str] = (),
    supplements: Sequence[str] = (),
) -> None:
    relations = Relations(
        depends=tuple(map(parse_formula, needs)),
        provides=tuple(map(Provide, provides)),
        supplements=tuple(map(parse_formula, supplements)),
    )
    for architecture in architectures or ("noarch",):
        about = replace(metadata(name, "1", relations=relations), architecture=architecture)
        write_package(folder, about, {f"share/{name}": f"{name} of {architecture}"})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty root that knows a repository of packages for all machines."""
    folder = tmp_path_factory.mktemp("machines")
    repository, root = folder / "repository", folder / "root"
    add(repository, "desktop", "x86_64", "aarch64", needs=["binary(player)"])
    add(repository, "player", "x86_64", "aarch64", needs=["codec"], provides=["binary(player)"])
    # The best of them that the processors can run. Of alternatives the first counts for more than all others.
    for level in (3, 4):
        add(repository, f"codec-v{level}", "x86_64", needs=[f"cpu(x86-64-v{level})"])
    add(repository, "codec-v1", "x86_64", "aarch64")
    add(repository, "codec", needs=["codec-v4 | codec-plain"])
    add(repository, "codec-plain", needs=["codec-v3 | codec-v1"])
    for name, condition in FOLLOWERS.items():
        add(repository, name, supplements=[condition])
    assert main(["index", str(repository)]) == 0
    index = str(repository / "stone.index")
    assert main(["-D", str(root), "repo", "add", "main", index, "--unsigned", "-q"]) == 0
    return root


def planned(moss: Moss, root: Path, *words: str) -> dict[str, str]:
    """The packages that would come, with their architectures."""
    ended = moss("-D", str(root), *words, "-n", "--json")
    assert ended.exit_code == 0, ended
    return {one["name"]: one["architecture"] for one in json.loads(ended.out)["data"]["plan"]["installs"]}


def test_every_machine_is_expected_something() -> None:
    assert set(MACHINES) == set(EXPECTED)
    assert len(MACHINES) >= 10


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_of_the_collection_is_read(name: str) -> None:
    facts = parse_facts(MACHINES[name].read_text(encoding="utf-8"), name)
    assert {one.kind for one in facts} >= {FactKind.ARCH, FactKind.VIRT, FactKind.MODALIAS}
    assert sum(one.kind is FactKind.MODALIAS for one in facts) >= 10


@pytest.mark.parametrize("name", MACHINES)
def test_the_same_wish_gives_each_machine_its_own_system(name: str, root: Path, moss: Moss) -> None:
    found = planned(moss, root, "--facts", str(MACHINES[name]), "install", "desktop")
    assert set(found) - {"desktop", "player", "codec", "codec-plain"} == set(EXPECTED[name].split())
    native = "aarch64" if name == "raspberry-pi-4" else "x86_64"
    assert set(found.values()) == {native, "noarch"}


def test_without_facts_nothing_is_assumed(root: Path, moss: Moss) -> None:
    assert set(planned(moss, root, "install", "desktop")) == {
        *("desktop", "player", "codec", "codec-plain", "codec-v1")
    }


def test_what_the_processors_cannot_run_is_refused_with_the_reason(root: Path, moss: Moss) -> None:
    old = ("--facts", str(MACHINES["thinkpad-t400"]))
    ended = moss("-D", str(root), *old, "install", "codec-v3", "-n")
    assert ended.exit_code == 4
    assert "cpu(x86-64-v3)" in ended.err
    new = ("--facts", str(MACHINES["nuc11"]))
    assert "codec-v3" in planned(moss, root, *new, "install", "codec-v3")
