"""The definitions that come with moss, from a repository's index: each machine of the collection gets its own."""

import json
import shutil
from pathlib import Path

import pytest

from moss.cli.main import main
from solver.values import replace
from tests.builders import metadata, write_package
from tests.cli.conftest import Moss
from tests.conftest import PROJECT
from tests.debian.test_subscriptions import named
from tests.facts.test_machines import MACHINES

WISHED = ("libva2", "firefox-esr", "linux-image-amd64", "dkms")
"""What a person asks for; the rest comes by the machine."""
ALWAYS = {"firmware-linux-free", "linux-headers-amd64"}
INTEL = {"intel-media-va-driver", "i965-va-driver", "firmware-misc-nonfree", "intel-microcode"}
AMD = {"amd64-microcode", "firmware-amd-graphics", "mesa-va-drivers"}
WIRELESS = {"firmware-iwlwifi"}

EXPECTED = {
    "cloud-kvm": {"qemu-guest-agent"},
    "desktop-intel-nvidia": {*INTEL, *WIRELESS, "mesa-va-drivers"},
    "desktop-ryzen-radeon": {*AMD, *WIRELESS, "firmware-realtek", "firefox-esr-l10n-fr"},
    "epyc-server": {"amd64-microcode", "firmware-ast"},
    "nuc11": {*INTEL, *WIRELESS},
    "raspberry-pi-4": {"firmware-brcm80211", "firefox-esr-l10n-nl"},
    "thinkpad-t400": {*INTEL, *WIRELESS, "firefox-esr-l10n-cs"},
    "thinkpad-t480": {*INTEL, *WIRELESS, "firefox-esr-l10n-de"},
    "thinkpad-x13-amd": {*AMD, *WIRELESS, "firmware-realtek"},
    # Its sound card is Intel's by its number.
    "virtualbox-guest": {"firmware-intel-sound", "firmware-sof-signed", "firefox-esr-l10n-pl"},
    "vmware-guest": {"open-vm-tools"},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty root that knows a repository of all that the definitions name, which brings the definitions."""
    folder = tmp_path_factory.mktemp("defined")
    repository, root = folder / "repository", folder / "root"
    for name in sorted({one.partition(":")[0] for one in named()}):
        about = replace(metadata(name, "1"), architecture="noarch")
        write_package(repository, about, {f"share/{name}": name})
    shutil.copytree(PROJECT / "fixtures" / "subscriptions", repository / "subscriptions")
    assert main(["index", str(repository), "-q"]) == 0
    index = str(repository / "stone.index")
    assert main(["-D", str(root), "repo", "add", "main", index, "--unsigned", "-q"]) == 0
    return root


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_gets_what_the_shipped_definitions_bring(name: str, root: Path, moss: Moss) -> None:
    ended = moss("-D", root, "--facts", MACHINES[name], "install", *WISHED, "-n", "--json")
    assert ended.exit_code == 0, ended
    found = {one["name"] for one in json.loads(ended.out)["data"]["plan"]["installs"]}
    assert found - {*WISHED} - ALWAYS == EXPECTED[name]
    assert found >= ALWAYS


def test_a_kernel_that_goes_takes_its_headers_and_microcode_follows_the_processor(
    root: Path, moss: Moss, tmp_path: Path
) -> None:
    mine = tmp_path / "root"
    shutil.copytree(root, mine, symlinks=True)
    said = ("-D", mine, "--facts", MACHINES["thinkpad-t480"])
    assert moss(*said, "install", *WISHED, "-y").exit_code == 0
    gone = " ".join(moss(*said, "remove", "linux-image-amd64", "-n").out.split())
    no_longer = "no longer wants it"
    assert f"linux-headers-amd64 1-1 the subscription kernel-headers {no_longer}: linux-image-amd64 is gone" in gone
    other = moss("-D", mine, "--facts", MACHINES["thinkpad-x13-amd"], "sync", "-n")
    told = " ".join(other.out.split())
    lost = f"the subscription microcode {no_longer}: the device modalias(cpu:type:x86,ven0000*) is gone"
    spoken = f"the subscription language-packs {no_longer}: the language locale(de*) is gone"
    assert f"firefox-esr-l10n-de 1-1 {spoken}" in told
    assert f"intel-microcode 1-1 {lost}" in told
    assert "amd64-microcode 1-1 the subscription microcode wants it" in told
    why = " ".join(moss(*said, "why", "intel-microcode").out.split())
    assert "the subscription microcode wants intel-microcode" in why
