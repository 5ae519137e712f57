"""Power cuts during updates by moss within a machine: it boots afterwards, to a generation on record.

    python -m tests.boot.power_cuts [CUTS]        20 when left out; needs root, QEMU, apt

The machine is a disk by `moss image disk`: UEFI firmware, systemd-boot, Debian's kernel and systemd. Each time that
it has come up it says what runs and begins an update to a newer version; QEMU is killed at a random instant of that,
and the next boot has to make do with what is there. No cut is undone before the next one.
"""

import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.boot import machines
from tests.boot.machines import WORDS, ImageMachine, goods, offer, states
from tests.debian.test_walk import PROJECT, moss_ok
from tests.trees import differences

BEGIN = """\
moss repo remove debian
moss repo add goods /mnt/packages/stone.index --unsigned
"""
# What a cut left is put right by the first command, which then has to be said again.
UPDATE = """\
state
echo UPDATING $(cut -d' ' -f1 /proc/uptime)
moss update -y || moss update -y
echo UPDATED $(cut -d' ' -f1 /proc/uptime)
state
end poweroff
"""


def why_not() -> str | None:
    """Why it cannot be done here."""
    return machines.why_not()


def cuts_of(disk: Path, place: Path, cuts: int, seed: int = 7) -> Iterator[str]:
    """An update that goes through, then that many which are cut off, then one that goes through again; what ran
    after each cut, in a sentence. The disk is changed."""
    chance = random.Random(seed)
    machine = ImageMachine(disk)
    seconds = _whole_update(machine, place)
    running, offered, told = "2", 2, ""
    for number in range(cuts + 1):
        on_record = _check_disk(machine, place / "root")
        second = _second(place, offered + 1, UPDATE)
        # Every second one near the switch and what follows it.
        instant = chance.uniform(0.7 if number % 2 else 0.0, 1.1) * seconds
        if number < cuts:
            console = machine.console(second, until=rb"UPDATING \d", kill_after=instant)
        else:
            console = machine.console(second, until=machines.ENDED)
        first = states(console)[0]
        assert first["version"] in (running, str(offered)), "the one before the cut, or the one after it"
        assert first["generation"] in on_record and first["active"] == first["generation"], (first, on_record)
        assert first["failed"] == "[]"
        if told:
            yield f"{told}: generation {first['generation']}, version {first['version']}"
        running, offered = first["version"], offered + 1
        told = f"cut {number + 1}, {instant:.1f} s into an update of {seconds:.1f} s"
    _, last = states(console)
    assert last["version"] == str(offered), "the last update goes through"
    _check_disk(machine, place / "root")


def _whole_update(machine: ImageMachine, place: Path) -> float:
    """Let one go through, from version 1 to 2; how long it takes, in seconds."""
    console = machine.console(_second(place, 2, BEGIN + UPDATE), until=machines.ENDED)
    assert [one["version"] for one in states(console)] == ["1", "2"]
    begun, ended = (float(re.search(rb"%s ([\d.]+)" % word, console)[1]) for word in (b"UPDATING", b"UPDATED"))  # type: ignore[index]
    return ended - begun


def _second(place: Path, version: int, script: str) -> Path:
    offer(place / "packages", f"tool-{version}")
    return goods(place / "goods", script, place / "packages")


def _check_disk(machine: ImageMachine, root: Path) -> list[str]:
    """/usr as it lies on the disk is, to the byte, the generation that it says; moss, run on a copy, follows. The
    generations on record, by number."""
    machine.read(root)
    active = int((root / "usr/.stateID").read_text())
    assert differences(root, active) == []
    command = [sys.executable, "-m", "moss", "-D", str(root), "boot", "forget"]
    done = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
    assert done.returncode in (0, 13), done.stdout + done.stderr  # 13: it is put right first, and says so
    listed = [line.split() for line in moss_ok("state", "list", root=root).splitlines()[1:]]
    assert [words[0] for words in listed if "active" in words] == [str(active)], listed
    return [words[0] for words in listed]


def main(cuts: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        root = machines.built(place)
        moss_ok("image", "disk", "-o", place / "disk.img", "--cmdline", WORDS, root=root)
        work = place / "work"
        work.mkdir()
        for told in cuts_of(place / "disk.img", work, cuts):
            print(told, flush=True)


if __name__ == "__main__":
    reason = why_not()
    if reason is not None:
        sys.exit(reason)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
