"""The boot menu follows the generations."""

import os
import random
from pathlib import Path

import pytest

from moss.errors import MossError, NoSpace, NotFound, PermissionRefused
from moss.observed_effects import Moment, ObservedEffects
from moss.operations.activate import activate, propose_activation, propose_rollback
from moss.operations.at_boot import activate_at_boot
from moss.root import GenerationId
from tests.boot.menus import LOADER, Machine, Shop, kernel, shop

SLOW = bool(os.environ.get("MOSS_SLOW"))


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return shop(tmp_path_factory.mktemp("packages"))


@pytest.fixture
def machine(tmp_path: Path, goods: Shop) -> Machine:
    made = Machine(tmp_path, goods)
    made.begin()
    return made


def go_to(machine: Machine, number: int) -> None:
    with machine.open() as system:
        activate(system, propose_activation(system, GenerationId(number)))


def test_an_entry_says_what_to_boot(machine: Machine) -> None:
    etc = machine.root / "etc/kernel"
    (etc / "cmdline.d").mkdir(parents=True)
    (etc / "cmdline").write_text("root=UUID=1234 rw\n")
    (etc / "cmdline.d/20-console.cmdline").write_text("# for the serial port\nconsole=ttyS0\n")
    machine.make("base-1", "linux-6.1", "tool-1")
    assert machine.entries().keys() == {"testos-6.1-1.conf"}
    entry = machine.entries()["testos-6.1-1.conf"]
    assert entry["title"] == "Test OS 1, generation 1 of 2025-11-24"
    assert entry["options"] == "root=UUID=1234 rw quiet loglevel=4 console=ttyS0 moss.fstx=1"
    assert (entry["sort-key"], entry["version"]) == ("testos", "1.6.1")
    assert (machine.boot / entry["linux"].lstrip("/")).read_bytes() == b"kernel 6.1"
    machine.check()


def test_the_admin_masks_a_vendor_fragment(machine: Machine) -> None:
    fragments = machine.root / "etc/kernel/cmdline.d"
    fragments.mkdir(parents=True)
    (fragments / "10-quiet.cmdline").symlink_to("/dev/null")
    machine.make("base-1", "linux-6.1")
    assert machine.entries()["testos-6.1-1.conf"]["options"] == "moss.fstx=1"


def test_the_active_generation_boots_first_and_the_newest_comes_next(machine: Machine) -> None:
    machine.make("base-1", "linux-6.1", "tool-1")
    machine.make("base-1", "linux-6.2", "tool-1")
    machine.make("base-1", "linux-6.2", "tool-2")
    assert machine.menu() == [3, 2, 1]
    with machine.open() as system:
        activate(system, propose_rollback(system))
    assert machine.menu() == [2, 3, 1]
    go_to(machine, 1)
    assert machine.menu() == [1, 3, 2]
    machine.check()


def test_a_generation_left_to_the_next_boot_boots_first_and_comes_behind_when_it_is_dropped(machine: Machine) -> None:
    machine.make("base-1", "linux-6.1", "tool-1")
    machine.make("base-1", "linux-6.2", "tool-2", at_boot=True)
    assert machine.menu() == [2, 1]
    machine.check()
    with machine.open() as system:
        activate_at_boot(system, propose_activation(system, GenerationId(1)))
    assert machine.menu() == [1, 2]
    go_to(machine, 2)
    assert machine.menu() == [2, 1]
    machine.check()


def test_generations_share_kernels_by_their_content(machine: Machine) -> None:
    machine.make("base-1", "linux-6.1", "tool-1")
    machine.make("base-1", "linux-6.1", "tool-2")
    assert len(machine.files()) == 2
    machine.make("base-1", "linux-6.1b", "tool-2")
    assert len(machine.files()) == 3  # another kernel of the same version, the same initrd
    machine.check()
    machine.prune(1)
    assert machine.menu() == [3, 2]  # rollback goes to 2
    machine.check()


def test_tries_that_a_boot_loader_counted_stay(machine: Machine) -> None:
    machine.make("base-1", "linux-6.1", "tool-1")
    entries = machine.boot / "loader/entries"
    (entries / "testos-6.1-1.conf").rename(entries / "testos-6.1-1+2-1.conf")
    machine.make("base-1", "linux-6.1", "tool-2")
    assert set(machine.entries()) == {"testos-6.1-1+2-1.conf", "testos-6.1-2.conf"}
    assert machine.entries()["testos-6.1-1+2-1.conf"]["sort-key"] == "testos-others"


def test_what_others_made_is_never_touched(machine: Machine) -> None:
    entries = machine.boot / "loader/entries"
    (machine.boot / "EFI/testos/0123456789abcdef0123456789abcdef").mkdir(parents=True)
    foreign = {
        entries / "windows.conf": b"title Windows\nefi /EFI/Microsoft/bootmgfw.efi\n",
        entries / "testos-6.1-9.conf": b"linux /EFI/TESTOS/0123456789abcdef0123456789ABCDEF/vmlinuz\n",
        machine.boot / "EFI/testos/0123456789abcdef0123456789abcdef/vmlinuz": b"theirs",
        machine.boot / "EFI/testos/grubx64.efi": b"grub",
    }
    entries.mkdir(parents=True, exist_ok=True)
    for path, content in foreign.items():
        path.write_bytes(content)
    for labels in (("base-1", "linux-6.1"), ("base-1", "linux-6.2"), ("base-1", "tool-1")):
        machine.make(*labels)
    machine.prune(1)
    assert {path: path.read_bytes() for path in foreign} == foreign


def test_an_entry_of_somebody_else_under_the_next_name_is_told_before_anything_changes(machine: Machine) -> None:
    machine.make("base-1", "linux-6.1")
    theirs = machine.boot / "loader/entries/testos-6.1-2.conf"
    theirs.write_text("title Theirs\n")
    with pytest.raises(MossError, match=r"testos-6\.1-2\.conf was made by somebody else"):
        machine.make("base-1", "linux-6.1", "tool-1")
    assert theirs.read_text() == "title Theirs\n"
    assert (machine.root / "usr/.stateID").read_text() == "1\n"


def test_a_boot_partition_that_is_not_there_is_told_before_anything_changes(machine: Machine) -> None:
    machine.make("base-1", "linux-6.1")
    machine.boot.rename(machine.boot.with_name("unmounted"))
    with pytest.raises(NotFound, match="is not there") as caught:
        machine.make("base-1", "linux-6.1", "tool-1")
    assert "moss boot forget, to keep no boot entries" in caught.value.remedies
    assert (machine.root / "usr/.stateID").read_text() == "1\n"


def test_the_loader_is_put_there_and_made_newer_but_never_older(machine: Machine) -> None:
    theirs = machine.boot / "EFI/BOOT/BOOTX64.EFI"
    ours = machine.boot / "EFI/systemd/systemd-bootx64.efi"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"MZ shim")
    machine.make("base-1", "linux-6.1", "loader-252")
    assert ours.read_bytes() == LOADER % b"252.1-1"
    assert (machine.boot / "loader/loader.conf").read_text().endswith("timeout 3\n")
    (machine.boot / "loader/loader.conf").write_text("timeout 0\n")
    machine.make("base-1", "linux-6.1", "loader-253")
    assert ours.read_bytes() == LOADER % b"253.1-1"
    go_to(machine, 1)
    assert ours.read_bytes() == LOADER % b"253.1-1"
    assert theirs.read_bytes() == b"MZ shim"
    assert (machine.boot / "loader/loader.conf").read_text() == "timeout 0\n"


def test_a_system_without_kernels_has_an_empty_menu(machine: Machine) -> None:
    machine.make("tool-1")
    assert machine.entries() == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system, which needs root")
def test_a_full_boot_partition_is_told_before_the_switch_with_what_would_free_how_much(
    machine: Machine, small_boot: Path
) -> None:
    machine.make("base-1", "linux-6.1")
    with pytest.raises(NoSpace) as caught:
        machine.make("base-1", "linux-6.2", "tool-1")
    assert "needs" in caught.value.message and "are free" in caught.value.message
    assert (machine.root / "usr/.stateID").read_text() == "1\n"
    machine.check()


@pytest.fixture
def small_boot(machine: Machine) -> "object":
    if os.system(f"mount -t tmpfs -o size=32k,mode=700 tmpfs {machine.boot}") != 0:
        pytest.skip("this machine does not let root mount a tmpfs")
    machine.begin()
    yield machine.boot
    os.system(f"umount {machine.boot}")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system, which needs root")
def test_a_read_only_boot_partition_is_told_before_the_switch(machine: Machine, small_boot: Path) -> None:
    machine.make("base-1", "linux-6.1")
    assert os.system(f"mount -o remount,ro {small_boot}") == 0
    with pytest.raises(PermissionRefused, match="cannot be written"):
        machine.make("base-1", "linux-6.1", "tool-1")
    with machine.open() as system, pytest.raises(NotFound):
        activate(system, propose_rollback(system))
    assert (machine.root / "usr/.stateID").read_text() == "1\n"
    os.system(f"mount -o remount,rw {small_boot}")
    machine.make("base-1", "linux-6.1", "tool-1")
    machine.check()


class Crash(BaseException):
    """The power is gone."""


class Crashing(ObservedEffects):
    """Fails before its nth effect, and then does nothing more."""

    def __init__(self, at: int) -> None:
        super().__init__(apply_owners=os.geteuid() == 0)
        self.left = at

    def observe(self, moment: Moment, kind: str, target: str) -> None:
        if moment == "before":
            self.left -= 1
            if self.left <= 0:
                raise Crash(f"before {kind} {target}")


CHOICES = (
    ("base-1", "linux-6.1", "tool-1"), ("base-1", "linux-6.1b", "tool-1"), ("base-1", "linux-6.2", "tool-2"),
    ("base-1", "tool-2"), ("base-1", "linux-6.2", "linux-6.1", "loader-252"), ("base-1", "linux-6.2", "loader-253"),
)  # fmt: skip


def random_step(machine: Machine, chance: random.Random, effects: ObservedEffects | None) -> None:
    with machine.open(effects) as system:
        numbers = [int(holder.name) for holder in (machine.root / ".moss/root").iterdir() if holder.name.isdecimal()]
    what = chance.random()
    if what < 0.5 or not numbers:
        labels = list(chance.choice(CHOICES))
        at_boot = bool(numbers) and chance.random() < 0.2
        machine.make(*_one_of_a_name(labels), effects=effects, at_boot=at_boot)
    elif what < 0.8:
        with machine.open(effects) as system:
            activate(system, propose_activation(system, GenerationId(chance.choice(numbers))))
    else:
        machine.prune(chance.randint(1, 3), effects=effects)


def _one_of_a_name(labels: list[str]) -> list[str]:
    return list({label.partition("-")[0]: label for label in labels}.values())


@pytest.mark.slow_too
def test_random_histories_leave_the_menu_as_the_trees_are(goods: Shop, tmp_path: Path) -> None:
    crashes = 0
    for seed in range(50 if SLOW else 3):
        chance = random.Random(seed)
        machine = Machine(tmp_path / str(seed), goods)
        machine.begin()
        for _ in range(6):
            random_step(machine, chance, None)
            machine.check()
            try:
                random_step(machine, chance, Crashing(chance.randint(1, 60)))
            except Crash:
                crashes += 1
            with machine.open():  # the next command recovers
                pass
            machine.check()
    assert crashes > (100 if SLOW else 5)


def test_kernels_that_differ_in_one_byte_are_two(tmp_path: Path, goods: Shop) -> None:
    goods.stock("odd-1", kernel("7.0", b"kernel A", b"same"))
    goods.stock("even-1", kernel("7.1", b"kernel B", b"same"))
    machine = Machine(tmp_path, goods)
    machine.begin()
    machine.make("base-1", "odd-1", "even-1")
    assert len(machine.files()) == 3
    machine.check()
