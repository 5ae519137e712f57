"""What keeping a copy of the record costs: the first one, one after 1 % of the packages changed, and one after nothing.

    python -m tests.bench.record_copy

The record is of 2,300 packages with 100 files each. The peer is SQLite's own backup of the whole record.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable

import apsw

from moss.db import generations, packages
from moss.db.connection import Database, open_record
from moss.db.copying import update_copy
from moss.digest import PackageDigest, content_digest
from moss.effects import Effects
from moss.generation import PackageId, Reason
from moss.layout import regular
from moss.model import SystemModel
from moss.root import GenerationId
from tests.builders import metadata

PACKAGES, FILES, CHANGED = 2300, 100, 23


def add(record: Database, number: int, version: int) -> PackageId:
    layout = [
        regular(f"share/p{number}/{version}/{file:03}/name", content_digest(f"{number}/{version}/{file}".encode()))
        for file in range(FILES)
    ]
    sizes = {entry.digest: 100 for entry in layout if entry.digest is not None}
    digest = PackageDigest(f"{number * 1000 + version:064x}")
    return packages.record_package(
        record, metadata(f"p{number}", str(version)), digest, candidate_key=digest, repository="main",
        stone_size=1, layout=layout, sizes=sizes,
    )  # fmt: skip


def stage(record: Database, number: int, rows: list[PackageId]) -> None:
    generations.record_staged(
        record, GenerationId(number), created_at=0, parent=None, command="", model=SystemModel(),
        selections=[(row, Reason()) for row in rows],
    )  # fmt: skip


def seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        effects = Effects(apply_owners=False)
        record = open_record(os.path.join(folder, "moss.db"), writable=True)
        copy = os.path.join(folder, "copy.db")
        with record.transaction():
            rows = [add(record, number, 1) for number in range(PACKAGES)]
            stage(record, 1, rows)
        first = seconds(lambda: update_copy(record, copy, effects))
        changed, whole = [], []
        for version in range(2, 7):
            with record.transaction():
                rows[:CHANGED] = [add(record, number, version) for number in range(CHANGED)]
                stage(record, version, rows)
            changed.append(seconds(lambda: update_copy(record, copy, effects)))
            whole.append(seconds(lambda: back_up(record, os.path.join(folder, "whole.db"))))
        nothing = min(seconds(lambda: update_copy(record, copy, effects)) for _ in range(5))
        size = os.path.getsize(copy) / 2**20
        record.close()
    print(f"record of {PACKAGES * FILES:,} files, {size:.0f} MiB")
    print(f"first copy {first:.3f} s; after 1 % of the packages changed {min(changed):.3f} s, nothing {nothing:.3f} s")
    print(f"SQLite's own backup of it all, durable: {min(whole):.3f} s ({min(whole) / min(changed):.1f} times)")
    return 0


def back_up(record: Database, path: str) -> None:
    if os.path.exists(path):
        os.unlink(path)
    target = apsw.Connection(path)
    with target.backup("main", record.connection, "main") as backup:
        backup.step()
    target.close()
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


if __name__ == "__main__":
    sys.exit(main())
