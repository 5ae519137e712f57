"""Many processes at once on one root: nothing is lost, nobody waits for ever, and who looks never sees half a state.

    python -m tests.crash.crowd [--processes 8] [--commands 200] [--seed N]

Each process gives random commands, each in a child of its own. Then: every change that was reported is in the
journal, each begins where the one before it ended, and the invariants hold (`tests/crash/invariants.py`).
"""

import argparse
import json
import os
import random
import sqlite3
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tests.crash.invariants import faults
from tests.crash.sweep import scratch
from tests.crash.world import BROKEN, Ended, Place, run

NAMES = ("tool", "more", "other", "linker", "last", "left")
CODES = {
    "install": {0, 8}, "remove": {0, 3, 4, 8}, "rollback": {0, 3, 8}, "state activate": {0, 3, 8},
    "state prune": {0, 8}, "repo update": {0, 8}, "list installed": {0}, "info": {0}, "state list": {0},
}  # fmt: skip
"""What each command may end with: done, not there, no choice of packages, in use by another."""
UNTIL_SECONDS = 20


class Said(NamedTuple):
    """What a process found, a line of its report."""

    command: str
    code: int
    reported: int | None
    """The generation that was reported as active now."""
    fault: str | None


def command(chance: random.Random) -> tuple[str, list[str]]:
    """A random command, by name."""
    name = chance.choices(tuple(CODES), (5, 4, 2, 3, 1, 1, 5, 2, 3))[0]
    wait = ["--wait", str(chance.choice((0, UNTIL_SECONDS, UNTIL_SECONDS)))]
    match name:
        case "install" | "remove":
            return name, [name, chance.choice(NAMES), "-y", "--json", *wait]
        case "rollback":
            return name, [name, "-y", "--json", *wait]
        case "state activate":
            return name, ["state", "activate", str(chance.randint(1, 40)), "-y", "--json", *wait]
        case "state prune":
            return name, ["state", "prune", "--keep", str(chance.randint(1, 4)), "-y", "--json", *wait]
        case "repo update":
            return name, ["repo", "update", "--json", *wait]
        case "info":
            return name, ["info", "tool", "--json"]
        case _:
            return name, [*name.split(), "--json"]


def one_process(root: Path, number: int, count: int, seed: int) -> Iterator[Said]:
    chance = random.Random(f"{seed} {number}")
    for _ in range(count):
        name, words = command(chance)
        yield _said(name, run(root, *words, said=root.with_name(f"said-{number}")))


def _said(name: str, ended: Ended) -> Said:
    if ended.code == BROKEN or "Traceback" in ended.said or ended.code not in CODES[name]:
        return Said(name, ended.code, None, ended.said[-500:])
    lines = [line for line in ended.said.splitlines() if line.startswith("{")]
    answer = json.loads(ended.said[ended.said.index("{") : ended.said.rindex("}") + 1]) if lines else {}
    if not lines or answer["ok"] != (ended.code == 0):
        return Said(name, ended.code, None, f"exit {ended.code}, and it said {ended.said[-300:]}")
    data = answer.get("data") or {}
    if name == "list installed":
        installed = {one["name"] for one in data}
        if "left" in installed and "right" not in installed:
            return Said(name, ended.code, None, f"half a state: {sorted(installed)}")
    outcome = data.get("outcome") if isinstance(data, dict) else None
    return Said(name, ended.code, (outcome or {}).get("generation"), None)


def crowd(folder: Path, processes: int, count: int, seed: int) -> tuple[list[Said], list[str]]:
    """Let them loose; what each found, and what is wrong afterwards."""
    place = Place(folder)
    place.publish("tool-1", "more-1", "other-1", "linker-1", "last-1", "left-1", "right-1")
    place.moss("repo", "add", "main", str(place.packages / "stone.index"), "--unsigned")
    place.install("tool")
    children = []
    for number in range(processes):
        child = os.fork()
        if child == 0:
            try:
                with open(folder / f"report-{number}", "w") as report:
                    for said in one_process(place.root, number, count, seed):
                        report.write(json.dumps(said) + "\n")
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    reports = [
        [Said(*json.loads(line)) for line in (folder / f"report-{number}").read_text().splitlines()]
        for number in range(processes)
    ]
    found = [said for report in reports for said in report]
    wrong = [f"{said.command}: {said.fault}" for said in found if said.fault]
    wrong += [f"a process gave {len(report)} of {count} commands" for report in reports if len(report) < count]
    wrong += faults(place.root)
    wrong += _faults_of_journal(place.root, Counter(said.reported for said in found if said.reported is not None))
    return found, wrong


def _faults_of_journal(root: Path, reported: Counter[int]) -> Iterator[str]:
    """Each change begins where the one before it ended, and all that was reported is there."""
    with closing(sqlite3.connect(root / ".moss/db/moss.db")) as record:
        rows = list(record.execute("SELECT id, from_generation, to_generation, phase FROM journal ORDER BY id"))
    now: int | None = None
    done: Counter[int] = Counter()
    for number, source, target, phase in rows:
        if phase != "done":
            yield f"transaction {number} is {phase}, and nobody was stopped"
            continue
        if source != now:
            yield f"transaction {number} began at generation {source}, the one before ended at {now}"
        now = target
        done[target] += 1
    missing = reported - done
    yield from (f"generation {number} was reported, and is not in the journal" for number in missing)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--commands", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.monotonic()
    with scratch() as folder:
        found, wrong = crowd(folder, options.processes, options.commands, options.seed)
    print("\n".join(wrong), end="\n" if wrong else "")
    for name in CODES:
        codes = Counter(said.code for said in found if said.command == name)
        print(f"{name:16}" + ", ".join(f"{number} ended with {code}" for code, number in sorted(codes.items())))
    changes = sum(said.reported is not None for said in found)
    print(f"{len(found)} commands, {changes} changes, {len(wrong)} faults, {time.monotonic() - started:.0f} s")
    return 1 if wrong or not changes else 0


if __name__ == "__main__":
    sys.exit(main())
