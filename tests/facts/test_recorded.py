"""Whose facts a system is planned by, and that every generation keeps its own."""

import json
import shutil
from pathlib import Path

import pytest

from moss.architecture import native_architecture
from moss.cli.main import main
from moss.db import facts as recorded
from moss.db.connection import open_record
from moss.db.generations import generations
from moss.facts import Fact
from moss.operations.facts import _of_this_machine, facts_at_hand, facts_of
from moss.operations.system import open_to_read
from moss.reporter import Silence
from moss.root import GenerationId
from tests.cli.conftest import Moss
from tests.facts.test_machine import make
from tests.facts.test_machines import MACHINES, add

OLD, PI = str(MACHINES["thinkpad-t400"]), str(MACHINES["raspberry-pi-4"])


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a repository of packages, and no generation."""
    folder = tmp_path_factory.mktemp("recorded")
    repository, root = folder / "repository", folder / "root"
    add(repository, "tool", "x86_64", "aarch64")
    add(repository, "more", "x86_64", "aarch64")
    add(repository, "thinkpad", supplements=["modalias(dmi:*:pvrThinkPad*)"])
    add(repository, "for-6.1", supplements=["kernel(6.1.0)"])
    add(repository, "for-itself", needs=["modalias(platform:exactly)"])
    from tests.builders import metadata, write_package

    write_package(repository, metadata("linux", "6.1"), {"lib/modules/6.1.0/vmlinuz": "kernel", "lib/kernel/no/x": ""})
    assert main(["index", str(repository)]) == 0
    index = str(repository / "stone.index")
    assert main(["-D", str(root), "repo", "add", "main", index, "--unsigned", "-q"]) == 0
    return root


@pytest.fixture
def root(offered: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(offered, tmp_path / "root", symlinks=True))


def done(moss: Moss, root: Path, *words: str) -> None:
    ended = moss("-D", str(root), *words, "-y", "-q")
    assert ended.exit_code == 0, ended


def shown(moss: Moss, root: Path, *words: str) -> tuple[str, list[str]]:
    ended = moss("-D", str(root), *words, "facts", "--json")
    assert ended.exit_code == 0, ended
    data = json.loads(ended.out)["data"]
    return data["of"], [one["capability"] for one in data["facts"]]


def installed(moss: Moss, root: Path) -> dict[str, str]:
    found = json.loads(moss("-D", str(root), "list", "installed", "--json").out)["data"]
    return {one["name"]: one["architecture"] for one in found}


def sets(root: Path) -> int:
    record = open_record(str(root / ".moss/db/moss.db"), writable=False)
    try:
        return len(list(record.connection.execute("SELECT id FROM fact_set")))
    finally:
        record.close()


def test_of_another_root_nobody_knows_more_than_the_architecture(moss: Moss, root: Path) -> None:
    assert shown(moss, root) == ("none", [f"arch({native_architecture()})"])
    assert "Nobody has said" in moss("-D", str(root), "facts").out


def test_facts_stay_with_a_root_once_they_were_said(moss: Moss, root: Path) -> None:
    done(moss, root, "--facts", OLD, "install", "tool")
    assert set(installed(moss, root)) == {"tool", "thinkpad"}
    whose, facts = shown(moss, root)
    assert whose == "generation"
    assert facts == shown(moss, root, "--facts", OLD)[1]
    assert "modalias(acpi:PNP0C0A:)" in facts
    # Without the option too: the machine is still that one.
    done(moss, root, "install", "more")
    assert set(installed(moss, root)) == {"tool", "more", "thinkpad"}
    assert sets(root) == 1
    done(moss, root, "--facts", str(MACHINES["nuc11"]), "sync")
    assert "thinkpad" not in installed(moss, root)
    history = moss("-D", str(root), "history").out
    assert f"moss install tool --facts {OLD}" in history


def test_the_architecture_is_the_machines_also_later(moss: Moss, root: Path) -> None:
    done(moss, root, "--facts", PI, "install", "tool")
    done(moss, root, "install", "more")
    assert installed(moss, root) == {"tool": "aarch64", "more": "aarch64"}


def test_kernels_are_those_of_the_generation(moss: Moss, root: Path) -> None:
    done(moss, root, "install", "linux")
    assert shown(moss, root)[1][1:] == ["kernel(6.1.0)"]
    # Also where another machine is named; and a folder without a kernel is none.
    assert shown(moss, root, "--facts", PI)[1][-1] == "kernel(6.1.0)"
    done(moss, root, "install", "tool")
    assert "for-6.1" in installed(moss, root)
    done(moss, root, "remove", "linux")
    assert not any("kernel" in one for one in shown(moss, root)[1])


def test_state_show_says_for_what_a_generation_was_planned(moss: Moss, root: Path) -> None:
    done(moss, root, "--facts", OLD, "install", "tool")
    text = " ".join(moss("-D", str(root), "state", "show").out.split())
    devices = Path(OLD).read_text().count("\nmodalias(")
    assert f"Planned for arch(x86_64), cpu(x86-64-v1), virt(none), locale(cs_CZ), {devices} devices" in text
    data = json.loads(moss("-D", str(root), "state", "show", "1", "--json").out)["data"]
    assert {"kind": "virt", "capability": "virt(none)", "source": f"{OLD}:8"} in data["facts"]


def test_sets_that_no_generation_has_are_forgotten(moss: Moss, root: Path) -> None:
    done(moss, root, "--facts", OLD, "install", "tool")
    done(moss, root, "--facts", PI, "install", "more")
    assert sets(root) == 2
    done(moss, root, "state", "remove", "1")
    done(moss, root, "cache", "clean")
    assert sets(root) == 1
    record = open_record(str(root / ".moss/db/moss.db"), writable=False)
    assert [len(recorded.facts_of(record, one.id)) > 5 for one in generations(record)] == [False, True]
    record.close()


def test_an_exact_fact_is_asked_for_too(moss: Moss, root: Path, tmp_path: Path) -> None:
    machine = tmp_path / "exact.facts"
    machine.write_text("arch(x86_64)\nmodalias(platform:exactly)\n")
    assert moss("-D", str(root), "install", "for-itself", "-n").exit_code == 4
    assert moss("-D", str(root), "--facts", str(machine), "install", "for-itself", "-n").exit_code == 0


def test_facts_are_read_once_in_a_command(root: Path) -> None:
    with open_to_read(str(root)) as system:
        assert facts_of(system) is facts_of(system)
    said = (Fact("arch(riscv)"),)
    with open_to_read(str(root), facts=said) as system:
        assert (facts_at_hand(system).of, facts_of(system)) == ("file", said)


def test_a_machine_that_cannot_be_asked_is_what_it_was(tmp_path: Path) -> None:
    """A chroot without /proc and /sys: what is there for its devices must not go."""
    before = (Fact("arch(x86_64)"), Fact("modalias(pci:x)"))
    told: list[str] = []

    class Listener(Silence):
        def warning(self, text: str) -> None:
            told.append(text)

    assert _of_this_machine(before, Listener(), str(tmp_path)).facts == before
    assert len(told) == 1 and "not mounted" in told[0]
    make(tmp_path, {"proc/cpuinfo": "flags\t: fpu\n"})
    assert _of_this_machine(before, Listener(), str(tmp_path)).of == "generation"
    make(tmp_path, {"sys/bus/pci/devices/1/modalias": "pci:y\n"})
    found = _of_this_machine(before, Listener(), str(tmp_path))
    assert found.of == "machine" and "modalias(pci:y)" in [one.capability for one in found.facts]
    assert len(told) == 2
    # Where nothing is known from before, what little can be read is said.
    assert _of_this_machine((), Listener(), str(tmp_path / "nowhere")).of == "machine"
    assert len(told) == 2


def test_nothing_is_read_where_nothing_asks(tmp_path: Path, moss: Moss, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository whose packages mention no fact: the machine is not looked at for a plan."""
    import moss.operations.facts as looking

    looked = []
    monkeypatch.setattr(looking, "_look", lambda system: looked.append(system))
    add(tmp_path / "repository", "plain", provides=["soname(libx.so.1)"])
    add(tmp_path / "repository", "user", needs=["soname(libx.so.1)", "binary(nobody) | plain"])
    assert moss("index", str(tmp_path / "repository")).exit_code == 0
    index = str(tmp_path / "repository" / "stone.index")
    assert moss("-D", str(tmp_path / "root"), "repo", "add", "main", index, "--unsigned").exit_code == 0
    assert moss("-D", str(tmp_path / "root"), "install", "user", "-n").exit_code == 0
    assert looked == []


def test_a_set_is_kept_once(tmp_path: Path) -> None:
    record = open_record(str(tmp_path / "moss.db"), writable=True)
    insert = "INSERT INTO generation (id, created_at, command, status) VALUES (?, 0, '', 'complete')"
    record.connection.executemany(insert, ((number,) for number in range(1, 5)))
    first = (Fact("arch(x86_64)", "uname"), Fact("virt(kvm)", "here"))
    recorded.record_facts(record, GenerationId(1), first)
    recorded.record_facts(record, GenerationId(2), (Fact("virt(kvm)", "elsewhere"), Fact("arch(x86_64)", "uname")))
    recorded.record_facts(record, GenerationId(3), first[:1])
    recorded.record_facts(record, GenerationId(4), ())
    assert recorded.facts_of(record, GenerationId(2)) == first
    assert recorded.facts_of(record, GenerationId(3)) == first[:1]
    assert recorded.facts_of(record, GenerationId(4)) == recorded.facts_of(record, None) == ()
    assert recorded.architecture_of(record, GenerationId(2)) == "x86_64"
    assert recorded.architecture_of(record, GenerationId(4)) is None
    assert len(list(record.connection.execute("SELECT * FROM fact"))) == 3
    record.close()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"arch(x86_64)\nvirt(\xff)\n", ":2:6: this is not UTF-8"),
        (b"arch(x86_64)\nvrt(kvm)\n", ":2:1: there is no kind of fact 'vrt'"),
        (b"arch(x86_64)\n" + b"#\n" * (2 << 20), "is too large to be a file of facts"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, root: Path, moss: Moss, content: bytes, told: str) -> None:
    machine = tmp_path / "machine.facts"
    machine.write_bytes(content)
    ended = moss("-D", str(root), "install", "tool", "-y", "--facts", str(machine))
    assert ended.exit_code == 2
    assert told in " ".join(ended.err.split()).replace(str(machine), "")
    assert "Nothing was done here yet" in moss("-D", str(root), "history").out
    assert moss("-D", str(root), "facts", "--facts", str(tmp_path / "none")).exit_code == 3


def test_this_machines_facts_can_stand_for_it_elsewhere(tmp_path: Path, root: Path, moss: Moss) -> None:
    there = tmp_path / "this.facts"
    ended = moss("-D", "/", "facts", "-o", str(there))
    if ended.exit_code == 10:
        pytest.skip("needs to read the record of the system that the tests run on")
    assert ended.exit_code == 0, ended
    data = json.loads(moss("-D", "/", "facts", "--json").out)["data"]
    assert data["of"] == "machine"
    mine = [one["capability"] for one in data["facts"] if one["kind"] != "kernel"]
    assert shown(moss, root, "--facts", str(there)) == ("file", mine)
    assert moss("-D", "/", "facts", "-o", "-").out == there.read_text()
