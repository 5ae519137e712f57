"""A machine with a boot menu stops at every effect of every change: the next command leaves menu and trees as one."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from moss.observed_effects import Moment, ObservedEffects
from moss.operations.activate import activate, propose_activation, propose_rollback
from moss.operations.at_boot import activate_at_boot
from moss.operations.booting import propose_boot_sync, sync_boot
from moss.root import GenerationId
from tests.boot.menus import Machine, Shop, shop

STEP = 1 if os.environ.get("MOSS_SLOW") else 71
"""Every effect when there is time, else a sample."""
STOPPED = 99


class Stopping(ObservedEffects):
    """Ends the process before or after its nth effect, with nothing cleaned up."""

    def __init__(self, at: int, moment: Moment, at_commit: str = "") -> None:
        super().__init__(apply_owners=os.geteuid() == 0)
        self.left, self.moment, self.at_commit = at, moment, at_commit

    def observe(self, moment: Moment, kind: str, target: str) -> None:
        if moment == self.moment and (not self.at_commit or (kind, target) == ("commit_point", self.at_commit)):
            self.left -= 1
            if self.left < 0:
                os._exit(STOPPED)


def make(*labels: str, at_boot: bool = False) -> Callable[[Machine, ObservedEffects], None]:
    def run(machine: Machine, effects: ObservedEffects) -> None:
        machine.make("base-1", *labels, effects=effects, at_boot=at_boot)

    return run


def roll_back(machine: Machine, effects: ObservedEffects) -> None:
    with machine.open(effects) as system:
        activate(system, propose_rollback(system))


def wait_for_boot(machine: Machine, effects: ObservedEffects) -> None:
    with machine.open(effects) as system:
        activate_at_boot(system, propose_activation(system, GenerationId(1)))


def prune(machine: Machine, effects: ObservedEffects) -> None:
    machine.prune(1, effects)


def sync(machine: Machine, effects: ObservedEffects) -> None:
    """The whole menu anew, as on a boot partition that was made anew."""
    for path in (machine.boot / "loader", machine.boot / "EFI"):
        shutil.rmtree(path)
    with machine.open(effects) as system:
        sync_boot(system, propose_boot_sync(system), remember=False)


def follow(machine: Machine, effects: ObservedEffects) -> None:
    """The machine was booted into generation 1; the next command follows."""
    trees = machine.root / ".moss/root"
    if (trees / "1").exists():
        (machine.root / "usr").rename(trees / "usr-aside")
        (trees / "1/usr").rename(machine.root / "usr")
        (trees / "usr-aside").rename(trees / "1/usr")
    with machine.open(effects):
        pass


def recover(machine: Machine, effects: ObservedEffects) -> None:
    """What was staged, with an entry already, and then interrupted is taken away again."""
    if not any(entry["options"].endswith("=5") for entry in machine.entries().values()):
        stopped(machine, make("linux-6.2", "tool-2"), Stopping(0, "after", at_commit="ready to switch"))
        assert any(entry["options"].endswith("=5") for entry in machine.entries().values())
    with machine.open(effects):
        pass


OPERATIONS = {
    "update": make("linux-6.2", "tool-2"),
    "update to the same kernel": make("linux-6.1", "loader-253"),
    "remove the kernel": make("tool-2"),
    "update at boot": make("linux-6.1b", "tool-2", at_boot=True),
    "rollback": roll_back,
    "activate at boot": wait_for_boot,
    "prune": prune,
    "boot sync": sync,
    "follow a boot": follow,
    "recovery": recover,
}


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return shop(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, goods: Shop) -> Path:
    """Generation 4 is active, rollback goes to 3; 1 and 2 have kernels of their own."""
    place = tmp_path_factory.mktemp("machine")
    made = Machine(place, goods)
    made.begin()
    for labels in (("linux-6.1",), ("linux-6.1b",), ("linux-6.2", "loader-252"), ("linux-6.1", "tool-1")):
        made.make("base-1", *labels)
    return place


def copy(template: Path, place: Path, goods: Shop) -> Machine:
    for name in ("root", "boot"):
        shutil.copytree(template / name, place / name, symlinks=True)
    machine = Machine(place, goods)
    with machine.open() as system:
        system.record.connection.execute("UPDATE boot_place SET esp = ?, boot = ?", (str(machine.boot),) * 2)
    return machine


@pytest.mark.slow_too
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_stop_at_any_effect_leaves_menu_and_trees_as_one(
    name: str, template: Path, tmp_path: Path, goods: Shop
) -> None:
    points = 0
    moments: tuple[Moment, ...] = ("before", "after")
    for moment in moments:
        for at in range(0, 10_000, STEP):
            machine = copy(template, tmp_path / f"{moment}-{at}", goods)
            if not stopped(machine, OPERATIONS[name], Stopping(at, moment)):
                machine.check()
                break
            machine.check_bootable()
            with machine.open():
                pass
            machine.check()
            points += 1
            shutil.rmtree(machine.root.parent)
    assert points >= 2


def stopped(machine: Machine, operation: Callable[[Machine, ObservedEffects], None], effects: Stopping) -> bool:
    """Run it in a child; whether it was stopped before its end."""
    child = os.fork()
    if child == 0:
        try:
            operation(machine, effects)
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, STOPPED), f"the child ended with {code}"
    return code == STOPPED
