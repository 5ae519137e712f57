"""Tries that a boot loader counts, and a machine that comes back by itself, as far as it needs no machine."""

import subprocess
import sys
from pathlib import Path

import pytest

from moss.boot.keeping import spent_generations
from moss.db.boot import failed_generations
from moss.db.bundles import system_identity
from moss.indexing import index
from moss.operations.activate import activate, propose_activation
from moss.operations.fall_back import same_as_failed, told
from moss.operations.queries import summaries
from moss.operations.refreshing import update_repositories
from moss.operations.system import open_to_change, open_to_read
from moss.root import GenerationId
from tests.boot.menus import OS_RELEASE, Machine, Shop, kernel, shop
from tests.conftest import PROJECT
from tests.transactions import plan_for

BLESS = "lib/systemd/system/systemd-bless-boot.service"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    goods: Shop = shop(tmp_path / "packages")
    goods.stock("bless-1", {BLESS: "[Service]\n"})
    machine = Machine(tmp_path, goods)
    machine.begin()
    machine.make("base-1", "linux-6.1", "bless-1", "tool-1")
    return machine


def switch_to(root: Path, number: int) -> None:
    """As an initrd does it."""
    here = (root / "usr/.stateID").read_text().strip()
    archived = root / f".moss/root/{number}/usr"
    (root / "usr").rename(root / "aside")
    archived.rename(root / "usr")
    (root / "aside").rename(archived)
    archived.parent.rename(archived.parent.with_name(here))


def names(machine: Machine) -> set[str]:
    return set(machine.entries())


def blessed(machine: Machine, number: int) -> None:
    (entry,) = (machine.boot / "loader/entries").glob(f"*-{number}+*.conf")
    entry.rename(entry.with_name(f"{entry.name.partition('+')[0]}.conf"))


def spent(machine: Machine, number: int) -> None:
    """As systemd-boot renames it, try by try."""
    (entry,) = (machine.boot / "loader/entries").glob(f"*-{number}+*.conf")
    entry.rename(entry.with_name(f"{entry.name.partition('+')[0]}+0-3.conf"))


def test_a_new_generation_that_can_say_it_is_well_is_tried_three_times(machine: Machine) -> None:
    assert names(machine) == {"testos-6.1-1+3.conf"}
    assert machine.entries()["testos-6.1-1+3.conf"]["options"] == "panic=10 quiet loglevel=4 moss.fstx=1"
    blessed(machine, 1)
    machine.make("base-1", "linux-6.1", "bless-1", "tool-2")
    assert names(machine) == {"testos-6.1-1.conf", "testos-6.1-2+3.conf"}
    machine.make("base-1", "linux-6.1", "tool-2")
    assert "testos-6.1-3.conf" in names(machine), "nobody would take the counter away"


def test_what_the_machine_came_back_from_is_told_and_kept(machine: Machine) -> None:
    blessed(machine, 1)
    machine.make("base-1", "linux-6.1", "bless-1", "tool-2")
    spent(machine, 2)
    switch_to(machine.root, 1)
    with open_to_read(str(machine.root)) as system:
        assert told(system) == (
            "generation 2 was tried 3 times and did not come up, so the machine went back to generation 1"
        )
    with open_to_change(str(machine.root), command="test") as system:
        assert system.recovered is not None and "generation 2 was tried 3 times" in system.recovered
        assert failed_generations(system.record) == {2: 3}
        assert {one.generation.id: one.failed_boot for one in summaries(system)} == {1: False, 2: True}
        again = plan_for(system, machine.goods, ("base-1", "linux-6.1", "bless-1", "tool-2"))
        assert same_as_failed(system, again) == 2
        other = plan_for(system, machine.goods, ("base-1", "linux-6.1", "bless-1"))
        assert same_as_failed(system, other) is None
    assert names(machine) == {"testos-6.1-1.conf", "testos-6.1-2+0-3.conf"}, "it stays bad"
    assert machine.menu() == [1, 2]


def test_whoever_wants_it_all_the_same_gets_new_tries(machine: Machine) -> None:
    blessed(machine, 1)
    machine.make("base-1", "linux-6.1", "bless-1", "tool-2")
    spent(machine, 2)
    switch_to(machine.root, 1)
    with open_to_change(str(machine.root), command="test") as system:
        activate(system, propose_activation(system, GenerationId(2)))
        assert failed_generations(system.record) == {}
    assert names(machine) == {"testos-6.1-1.conf", "testos-6.1-2+3.conf"}
    assert machine.menu() == [2, 1]


def test_one_kernel_that_does_not_come_up_is_no_failure_and_another_systems_entry_is_none(machine: Machine) -> None:
    machine.goods.stock("other-6.2", kernel("6.2", b"kernel 6.2", b"initrd of 6.2"))
    blessed(machine, 1)
    machine.make("base-1", "linux-6.1", "other-6.2", "bless-1", "tool-2")
    entries = machine.boot / "loader/entries"
    (entries / "testos-6.2-2+3.conf").rename(entries / "testos-6.2-2+0-3.conf")
    text = (entries / "testos-6.2-2+0-3.conf").read_text()
    with machine.open() as system:
        assert "testos-6.2-2+0-3.conf" in names(machine), "what does not come up is not tried again by itself"
        own = system_identity(system.record)
        assert spent_generations(system.root, system.record) == {}
        (entries / "testos-6.1-2+3.conf").rename(entries / "testos-6.1-2+0-3.conf")
        (entries / "elsewhere-1+3.conf").write_text(text.replace(own, "0" * 32))
        assert spent_generations(system.root, system.record) == {2: 3}
    with machine.open():
        pass
    assert names(machine) >= {"testos-6.1-2+3.conf", "testos-6.2-2+3.conf"}, "whoever has it active wants it"


def test_a_boot_that_somebody_chose_is_no_failure(machine: Machine) -> None:
    blessed(machine, 1)
    machine.make("base-1", "linux-6.1", "bless-1", "tool-2")
    switch_to(machine.root, 1)
    with open_to_read(str(machine.root)) as system:
        assert told(system).startswith("the machine was booted into generation 1")
    with open_to_change(str(machine.root), command="test") as system:
        assert system.recovered is not None and "did not come up" not in system.recovered
        assert failed_generations(system.record) == {}


def test_an_update_that_nobody_watches_does_not_do_again_what_failed(tmp_path: Path) -> None:
    goods = Shop(tmp_path / "packages")
    goods.stock("base-1", {"lib/os-release": OS_RELEASE})
    goods.stock("linux-6.1", kernel("6.1", b"kernel 6.1", b"initrd of 6.1"))
    goods.stock("bless-1", {BLESS: "[Service]\n"})
    machine = Machine(tmp_path, goods)
    machine.begin()
    offer(machine, "tool-1")
    assert asked(machine, "install", "-y", "base", "linux", "bless", "tool").returncode == 0
    blessed(machine, 1)
    offer(machine, "tool-2")
    assert asked(machine, "update", "-y").returncode == 0
    spent(machine, 2)
    switch_to(machine.root, 1)
    first = asked(machine, "update", "-y", "--skip-failed")
    assert first.returncode == 13 and "generation 2 was tried 3 times and did not come up" in said(first)
    again = asked(machine, "update", "-y", "--skip-failed")
    assert again.returncode == 0 and "this would be generation 2 again, which did not come up" in said(again)
    assert running(machine) == 1
    warned = asked(machine, "update", "-n")
    assert "this is generation 2 again, which was booted and did not come up" in said(warned)
    offer(machine, "tool-3")
    assert asked(machine, "update", "-y", "--skip-failed").returncode == 0
    assert running(machine) == 3 and (machine.root / "usr/bin/tool").read_text() == "tool-3"
    assert names(machine) == {"testos-6.1-1.conf", "testos-6.1-2+0-3.conf", "testos-6.1-3+3.conf"}


def offer(machine: Machine, label: str) -> None:
    machine.goods.stock(label, {"bin/tool": label})
    index(machine.goods.folder)
    with machine.open() as system:
        update_repositories(system)


def asked(machine: Machine, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "moss", "-D", str(machine.root), *words]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def said(done: "subprocess.CompletedProcess[str]") -> str:
    return " ".join((done.stdout + done.stderr).split())


def running(machine: Machine) -> int:
    return int((machine.root / "usr/.stateID").read_text())
