"""An update in the steady state costs what changed: nothing in it grows with the system but the audit of names.

Two systems of as many packages, one with ten times the files, get the same change. Counted are durable
effects and SQLite's own steps in the engines, and every system call of a whole `moss update`, upkeep included.
"""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from moss.architecture import native_architecture
from moss.db import generations
from moss.indexing import index
from moss.operations.commit import commit
from moss.operations.propose import propose
from moss.operations.refreshing import update_repositories
from moss.operations.repositories import add_repository
from moss.operations.system import open_to_change
from moss.operations.upkeep import keep_house
from moss.operations.verbs import install_request, update_request
from tests.builders import Content, File, metadata, write_package
from tests.conftest import PROJECT
from tests.counting import CountingEffects
from tests.crash.world import PACKAGES
from tests.transactions import Repository, changing, make, plan_for
from tests.triggers.shells import needs_busybox, shell_files

SIZES = (2_000, 20_000) if os.environ.get("MOSS_SLOW") else (300, 3_000)
FILES_A_DIRECTORY = 50
LOOKING_AT_DIRECTORIES = {"newfstatat", "lstat", "stat", "statx", "fstat", "getdents64", "openat", "close"}
"""What the audit of names does."""

PAGES_OF_THE_RECORD = {"pwrite64", "pread64"}
"""In a larger b-tree each row is on a page of its own: a few pages for each path that changes, no more."""


def big(size: int) -> dict[str, Content]:
    return {f"share/big/{at // FILES_A_DIRECTORY}/{at:05}": f"{at}" for at in range(size)}


def small(version: int) -> dict[str, Content]:
    return {
        **{f"lib/small/{version % 2}/{at}": f"{version} {at}" for at in range(40)},
        "bin/small": f"{version}", "share/small/none": File(b""),
    }  # fmt: skip


@pytest.mark.slow_too
def test_effects_and_the_records_steps_are_those_of_the_change(tmp_path: Path) -> None:
    effects: list[Counter[str]] = []
    steps: list[int] = []
    for size in SIZES:
        repository = Repository(tmp_path / f"packages-{size}")
        repository.publish("big", metadata("big"), big(size))
        for version in range(6):
            repository.publish(f"small-{version}", metadata("small", str(version)), small(version))
        root = tmp_path / f"root-{size}"
        for version in range(5):
            make(root, repository, "big", f"small-{version}")
            with changing(root, repository) as system:
                keep_house(system, 2)
        counting, counted = CountingEffects(), 0
        with changing(root, repository, counting) as system:

            def count() -> bool:
                nonlocal counted
                counted += 1
                return False

            system.record.connection.set_progress_handler(count, 10)
            commit(system, plan_for(system, repository, ("big", "small-5")))
            keep_house(system, 2)
        del counting.by_kind["mkdir"]  # a small store has not made all of its 256 directories yet
        effects.append(counting.by_kind)
        steps.append(counted)
    assert effects[0] == effects[1]
    assert steps[0] > 1000
    assert steps[1] < steps[0] * 1.1, f"tens of SQLite's steps: {steps}"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_system_calls_of_a_whole_update_are_those_of_the_change(tmp_path: Path) -> None:
    calls: list[Counter[str]] = []
    for size in SIZES:
        folder, root = tmp_path / f"packages-{size}", tmp_path / f"root-{size}"
        write_package(folder, metadata("big"), big(size))
        for version in range(1, 8):
            write_package(folder, metadata("small", str(version)), small(version))
            index(str(folder))
            if version == 1:
                with open_to_change(str(root), command="moss repo add") as system:
                    add_repository(system, "main", str(folder / "stone.index"), unsigned=True)
                moss(root, "install", "-y", "big", "small")
                moss(root, "state", "prune", "--keep", "2", "--remember", "-y")
            elif version < 7:
                moss(root, "update", "-y")
        counts = tmp_path / f"counts-{size}"
        subprocess.run(
            ["strace", "-f", "-c", "-o", counts, *command(root, "update", "-y")], check=True, cwd=PROJECT
        )
        calls.append(read_counts(counts))
        assert (root / "usr/bin/small").read_text() == "7"
    small_system, big_system = calls
    directories = (SIZES[1] - SIZES[0]) // FILES_A_DIRECTORY
    assert small_system["linkat"] >= 80 and small_system["unlink"] + small_system["unlinkat"] >= 80
    for call in small_system | big_system:
        more = big_system[call] - small_system[call]
        allowed = small_system[call] * 0.05 + 25  # b-trees are deeper, allocators vary
        if call in LOOKING_AT_DIRECTORIES:
            allowed += 2 * directories
        if call in PAGES_OF_THE_RECORD:
            allowed += 12 * len(small(7))  # into the log and the database, and both again for the copy of it
        assert more <= allowed, f"{call}: {small_system[call]} calls, then {big_system[call]}"


def command(root: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "moss", "-q", "-D", str(root), *words]


def moss(root: Path, *words: str) -> None:
    subprocess.run(command(root, *words), check=True, cwd=PROJECT)


def read_counts(file: Path) -> Counter[str]:
    """strace's table: % time, seconds, usecs/call, calls, [errors], syscall."""
    found: Counter[str] = Counter()
    for line in file.read_text().splitlines():
        columns = line.split()
        if len(columns) >= 5 and columns[3].isdecimal() and columns[-1] != "total":
            found[columns[-1]] = int(columns[3])
    return found


DEFINITIONS = {
    "docs": 'subscription "docs" { default #false; paths "share/doc/**" }',
    "machine": f'subscription "machine" {{ when "arch({native_architecture()})"; want "helper" }}',
}
"""One leaves out paths, one goes by what the machine is."""


@needs_busybox
@pytest.mark.slow_too
def test_triggers_filters_subscriptions_and_the_model_cost_what_the_change_does(tmp_path: Path) -> None:
    """From reading the index to the end of upkeep, with all of these in use."""
    effects: list[Counter[str]] = []
    steps: list[int] = []
    for size in SIZES:
        root, folder = tmp_path / f"root-{size}", tmp_path / f"packages-{size}"
        docs: dict[str, Content] = {f"share/doc/big/{at // FILES_A_DIRECTORY}/{at:05}": f"{at}" for at in range(size)}
        for name, files in (
            ("big", {**big(size), **docs}), ("helper", {"bin/helper": "helper"}),
            ("shell", shell_files()), ("maker", PACKAGES["maker-1"]),
        ):  # fmt: skip
            write_package(folder, metadata(name), files)
        place = root / "etc/moss/subscriptions"
        place.mkdir(parents=True)
        for name, definition in DEFINITIONS.items():
            (place / f"{name}.kdl").write_text(definition)
        for version in range(1, 7):
            files = {**small(version), "share/doc/small/a": f"{version}"}
            write_package(folder, metadata("small", str(version)), files)
            index(str(folder))
            counting, counted = CountingEffects(), 0
            with open_to_change(str(root), command="moss update", effects=counting) as system:

                def count() -> bool:
                    nonlocal counted
                    counted += 1
                    return False

                system.record.connection.set_progress_handler(count, 10)
                if version == 1:
                    add_repository(system, "main", str(folder / "stone.index"), unsigned=True)
                update_repositories(system)
                model = generations.model_of(system.record, system.active)
                wanted = ("big", "small", "shell", "maker")
                request = update_request(model) if version > 1 else install_request(model, wanted)
                outcome = commit(system, propose(system, request))
                keep_house(system, 2)
            assert not (root / "usr/share/doc/small/a").exists() and not (root / "usr/share/doc/big").exists()
            assert [run.name for run in outcome.triggers] == ["maker"]
            assert (root / "usr/share/made").read_text().split() == ["busybox", "helper", "sh", "small"]
        del counting.by_kind["mkdir"]
        effects.append(counting.by_kind)
        steps.append(counted)
    assert effects[0] == effects[1]
    assert steps[0] > 1000
    assert steps[1] < steps[0] * 1.1, f"tens of SQLite's steps: {steps}"
