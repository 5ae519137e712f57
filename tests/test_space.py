"""Space is counted before work, near enough to what is really taken, and never too little."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from moss.errors import NoSpace
from moss.observed_effects import Moment, ObservedEffects
from moss.operations.space import Needs, needed
from moss.operations.upkeep import keep_house
from tests.builders import Content, Dir, File, Link, metadata, snapshot
from tests.filesystems import mounted, needs_mounts
from tests.transactions import Repository, changing, check_invariants, make

MIB = 1 << 20


def small_files(chance: random.Random) -> dict[str, Content]:
    return {
        f"share/{chance.randrange(60)}/{'name' * chance.randrange(1, 20)}-{number}": chance.randbytes(
            chance.randrange(1, 9000)
        )
        for number in range(1500)
    }


def large_files(chance: random.Random) -> dict[str, Content]:
    return {f"lib/large-{number}": chance.randbytes(MIB) for number in range(12)}


def links_and_directories(chance: random.Random) -> dict[str, Content]:
    files: dict[str, Content] = {}
    for number in range(700):
        place = f"share/{number}/deep/er"
        files[f"{place}/link"] = Link("../" * chance.randrange(1, 60) + "target")
        files[f"{place}/none"] = File(b"", xattrs={"user.x": b"1"} if number % 7 == 0 else {})
        files[f"{place}/empty"] = Dir(0o700)
        files[f"{place}/same"] = b"the same everywhere"
    return files


KINDS = (
    small_files,
    pytest.param(large_files, marks=pytest.mark.slow),
    pytest.param(links_and_directories, marks=pytest.mark.slow),
)


class Watching(ObservedEffects):
    """Effects that remember how much of a file system was taken at the worst moment."""

    def __init__(self, disk: Path) -> None:
        super().__init__(apply_owners=True)
        self._disk = disk
        self._before = self._free()
        self.taken = Needs(0, 0)

    def _free(self) -> Needs:
        status = os.statvfs(self._disk)
        return Needs(status.f_bfree * status.f_frsize, status.f_ffree)

    def observe(self, moment: Moment, kind: str, target: str) -> None:
        if kind in ("commit_point", "syncfs", "exchange") or target.endswith("0"):
            free = self._free()
            self.taken = Needs(
                max(self.taken.size, self._before.size - free.size),
                max(self.taken.inodes, self._before.inodes - free.inodes),
            )


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Needs]:
    """What is counted, written down as it is; the check itself goes on as ever."""
    found: list[Needs] = []

    def count(*arguments: object) -> Needs:
        found.append(needed(*arguments))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr("moss.operations.space.needed", count)
    return found


@needs_mounts
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_counted_is_enough_and_not_much_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[[random.Random], dict[str, Content]]
) -> None:
    repository = Repository(tmp_path / "packages")
    repository.publish("base", metadata("base"), {"bin/base": b"base"})
    repository.publish("much", metadata("much"), kind(random.Random(1)))
    repository.publish("more", metadata("more"), {f"etc/{path}": what for path, what in kind(random.Random(2)).items()})
    found = counted(monkeypatch)
    with mounted(tmp_path, "ext4", 320 * MIB, "-N", "60000") as disk:
        root = disk / "root"
        make(root, repository, "base")
        for labels in (("base", "much"), ("base", "more"), ("base", "more", "much")):
            watching = Watching(disk)
            make(root, repository, *labels, effects=watching)
            said, taken = found[-1], watching.taken
            assert taken.size <= said.size <= 1.5 * taken.size + MIB
            assert taken.inodes <= said.inodes <= 1.05 * taken.inodes + 20
            with changing(root, repository) as system:
                keep_house(system, keep=2)


def leave_free(disk: Path, size: int) -> None:
    """Fill a file system until this many bytes are free."""
    filler = disk / "filler"
    filler.write_bytes(b"")
    status = os.statvfs(disk)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - size)


@needs_mounts
def test_too_little_room_is_told_before_a_file_is_written_and_as_much_as_is_counted_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository(tmp_path / "packages")
    repository.publish("base", metadata("base"), {"bin/base": b"base"})
    repository.publish("much", metadata("much"), small_files(random.Random(3)))
    found = counted(monkeypatch)
    with mounted(tmp_path, "ext4", 64 * MIB, "-N", "8000", "-m", "0") as disk:
        root = disk / "root"
        make(root, repository, "base")
        before = snapshot(root, without=(".moss/db",))
        for short in (0.5, 0.98):
            leave_free(disk, int(found[-1].size * short) if len(found) > 1 else MIB)
            with pytest.raises(NoSpace, match="bytes on the file system") as caught:
                make(root, repository, "base", "much")
            assert caught.value.remedies
            assert check_invariants(root) == 1
            assert snapshot(root, without=(".moss/db",)) == before
        leave_free(disk, int(found[-1].size * 1.02))
        make(root, repository, "base", "much")
        (disk / "filler").unlink()
        assert check_invariants(root)


@needs_mounts
def test_too_few_inodes_are_told_before_a_file_is_written(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "packages")
    repository.publish("base", metadata("base"), {"bin/base": b"base"})
    repository.publish("much", metadata("much"), small_files(random.Random(3)))
    with mounted(tmp_path, "ext4", 64 * MIB, "-N", "1024") as disk:
        root = disk / "root"
        make(root, repository, "base")
        before = snapshot(root, without=(".moss/db",))
        with pytest.raises(NoSpace, match="inodes on the file system"):
            make(root, repository, "base", "much")
        assert snapshot(root, without=(".moss/db",)) == before
