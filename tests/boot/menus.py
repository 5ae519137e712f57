"""Systems that are booted, small ones: kernels of a few bytes, a directory that stands for $BOOT."""

import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from moss.effects import Effects
from moss.operations.booting import propose_boot_sync, sync_boot
from moss.operations.commit import commit
from moss.operations.retention import propose_pruning, retire
from moss.operations.system import open_to_change
from moss.operations.transaction import Outcome
from tests.builders import Content, metadata
from tests.transactions import Repository, plan_for

OS_RELEASE = 'ID=testos\nPRETTY_NAME="Test OS 1"\n'
LOADER = b"MZ #### LoaderInfo: systemd-boot %s ####\0"


class Shop(Repository):
    """A folder of stones, and plans that take exactly the ones named."""

    def stock(self, label: str, files: Mapping[str, Content]) -> None:
        name, _, version = label.partition("-")
        self.publish(label, metadata(name, version), dict(files))


def shop(folder: Path) -> Shop:
    """Two systems' worth: kernel 6.1 in two builds that share an initrd, kernel 6.2, a loader, tools."""
    made = Shop(folder)
    fragment = "lib/kernel/cmdline.d/10-quiet.cmdline"
    made.stock("base-1", {"lib/os-release": OS_RELEASE, fragment: "quiet loglevel=4\n"})
    made.stock("linux-6.1", kernel("6.1", b"kernel 6.1", b"initrd of 6.1"))
    made.stock("linux-6.1b", kernel("6.1", b"kernel 6.1, built again", b"initrd of 6.1"))
    made.stock("linux-6.2", kernel("6.2", b"kernel 6.2" * 1000, b"initrd of 6.2" * 1000))
    made.stock("loader-252", {"lib/systemd/boot/efi/systemd-bootx64.efi": LOADER % b"252.1-1"})
    made.stock("loader-253", {"lib/systemd/boot/efi/systemd-bootx64.efi": LOADER % b"253.1-1"})
    made.stock("tool-1", {"bin/tool": "one"})
    made.stock("tool-2", {"bin/tool": "two"})
    return made


def kernel(version: str, image: bytes, initrd: bytes) -> dict[str, Content]:
    return {
        f"lib/kernel/{version}/vmlinuz": image,
        f"lib/kernel/{version}/10-all.initrd": initrd,
        f"lib/modules/{version}/kernel/fs/ext4.ko": b"module " + image,
    }


class Machine:
    """A root with its $BOOT."""

    def __init__(self, place: Path, goods: Shop) -> None:
        self.root, self.boot, self.goods = place / "root", place / "boot", goods
        self.boot.mkdir(parents=True, exist_ok=True)

    def open(self, effects: Effects | None = None):  # type: ignore[no-untyped-def]
        return open_to_change(str(self.root), command="moss test", effects=effects, clock=lambda: 1_764_000_000)

    def begin(self) -> None:
        """Keep entries in `boot`."""
        with self.open() as system:
            system.record.connection.execute(
                "INSERT OR IGNORE INTO repository VALUES ('main', ?, 0, 1, 'nobody', '', 0, 0)",
                (f"file://{self.goods.folder}/stone.index",),
            )
            sync_boot(system, propose_boot_sync(system, str(self.boot)), remember=True)

    def make(self, *labels: str, effects: Effects | None = None, at_boot: bool = False) -> Outcome:
        with self.open(effects) as system:
            return commit(system, plan_for(system, self.goods, labels), at_boot=at_boot)

    def prune(self, keep: int, effects: Effects | None = None) -> None:
        with self.open(effects) as system:
            retire(system, propose_pruning(system, keep))

    # What a boot loader sees, read without moss's own code.

    def entries(self) -> dict[str, dict[str, str]]:
        """Every entry's fields, by file name."""
        folder = self.boot / "loader/entries"
        found = {}
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
            if path.suffix != ".conf":  # written aside
                continue
            found[path.name] = {line.split()[0]: line.split(None, 1)[1].strip() for line in lines}
        return found

    def menu(self) -> list[int]:
        """The generations in the order in which systemd-boot shows them: sort-key up, then version down."""

        def numbers(text: str) -> list[int]:
            return [int(part) for part in re.findall(r"\d+", text)]

        found = list(self.entries().values())
        found.sort(key=lambda one: numbers(one["version"]), reverse=True)
        found.sort(key=lambda one: one["sort-key"])
        return [int(re.search(r"moss\.fstx=(\d+)$", one["options"])[1]) for one in found]  # type: ignore[index]

    def files(self) -> set[str]:
        """Every file on $BOOT but entries, with a leading slash."""
        return {
            "/" + str(path.relative_to(self.boot))
            for path in self.boot.rglob("*")
            if path.is_file() and path.parent.name != "entries"
        }

    def check_bootable(self) -> None:
        """Every entry, at any instant: its kernel and initrd are whole, and a tree says its number, wherever it is."""
        trees = {
            int(said): usr
            for usr in (*(self.root / ".moss/root").glob("*/usr"), self.root / "usr")
            if (said := number_said_by(usr))
        }
        for name, entry in self.entries().items():
            number = int(entry["options"].rpartition("=")[2])
            assert number in trees, f"{name} has no tree"
            kernel = trees[number] / "lib/kernel" / entry["version"].partition(".")[2]
            for field, source in (("linux", "vmlinuz"), ("initrd", "10-all.initrd")):
                assert (self.boot / entry[field].lstrip("/")).read_bytes() == (kernel / source).read_bytes(), name

    def check(self) -> None:
        """No entry without its tree and its files, no tree without its entry, no file that nothing names; the
        generation that is to boot comes first."""
        active = int(number_said_by(self.root / "usr") or 0) or None
        trees = {} if active is None else {active: self.root / "usr"}
        for holder in (self.root / ".moss/root").iterdir():
            state = holder / "usr/.stateID"
            if holder.name != "spare" and state.exists():
                trees[int(state.read_text())] = holder / "usr"
        wanted = {
            (number, kernel.name)
            for number, usr in trees.items()
            for kernel in ((usr / "lib/kernel").iterdir() if (usr / "lib/kernel").is_dir() else ())
            if (kernel / "vmlinuz").exists()
        }
        there, named = set(), set()
        for name, entry in self.entries().items():
            number = int(entry["options"].rpartition("=")[2])
            version = entry["version"].partition(".")[2]
            assert (number, version) in wanted, f"{name} has no tree"
            assert name.startswith(f"testos-{version}-{number}")
            there.add((number, version))
            for field, source in (("linux", "vmlinuz"), ("initrd", "10-all.initrd")):
                content = (self.boot / entry[field].lstrip("/")).read_bytes()
                assert content == (trees[number] / f"lib/kernel/{version}/{source}").read_bytes(), name
                named.add(entry[field])
        assert there == wanted
        orphans = {path for path in self.files() if path.startswith("/EFI/testos/")} - named
        assert not orphans, f"nothing needs {orphans}"
        assert not [path for path in self.boot.rglob("*") if path.name.endswith(".moss-new")]
        with sqlite3.connect(f"file:{self.root}/.moss/db/moss.db?mode=ro", uri=True) as record:
            pending = record.execute("SELECT generation FROM pending").fetchone()
        first = active if pending is None else pending[0]
        if any(number == first for number, _ in wanted):
            assert self.menu()[0] == first


def number_said_by(usr: Path) -> str:
    """What a tree says it is; nothing while its `.stateID` is still to be made, or to be filled."""
    state = usr / ".stateID"
    return state.read_text().strip() if state.exists() else ""
