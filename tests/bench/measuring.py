"""Whole processes, timed and weighed: what the benchmarks share."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

PROJECT = Path(__file__).resolve().parents[2]
MOSS = (sys.executable, "-m", "moss")
"""As any module is run; `MOSS_SCRIPT` is what a person types."""
MOSS_SCRIPT = (Path(sys.executable).with_name("moss"),)


@dataclass(frozen=True)
class Measured:
    """Seconds of wall time and CPU time, and the peak of memory, of a process with its children."""

    wall: float
    cpu: float
    peak_bytes: int
    """Of all processes together, each page counted once (PSS), sampled every 20 ms."""


def without_triggers(root: Path) -> None:
    """No trigger runs in this root: the peers run none, and no maintainer script."""
    triggers = PROJECT / "fixtures" / "triggers" / "debian"
    for file in triggers.rglob("*.yaml"):
        mask = root / "etc/moss/triggers" / file.relative_to(triggers)
        mask.parent.mkdir(parents=True, exist_ok=True)
        mask.symlink_to("/dev/null")


def run(command: Sequence[str | Path]) -> Measured:
    """Run to its end; a failure ends the benchmark with what it printed.

    Python may keep compiled modules, as an installed moss has them.
    """
    before = os.times()
    started = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=PROJECT, text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    )  # fmt: skip
    peak = [0]
    sampler = threading.Thread(target=_sample, args=(process, peak), daemon=True)
    sampler.start()
    output, _ = process.communicate()
    wall = time.perf_counter() - started
    after = os.times()
    sampler.join()
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))[:400]}\nended with {process.returncode}:\n{output[-4000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Measured(wall, cpu, peak[0])


def run_alone(command: Sequence[str | Path]) -> Measured:
    """As `run`, for a process of tens of milliseconds: nobody looks at it while it runs, and its peak is
    the resident set that the kernel kept account of (that of its largest process)."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=PROJECT, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))[:400]}\nended with {process.returncode}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def in_turn(commands: Mapping[str, Sequence[str | Path]], rounds: int) -> dict[str, Measured]:
    """Every command once in each round; of each the least wall time, the least CPU time, the highest peak.

    On a machine that others use too, the least of several is what a command takes.
    """
    runs: dict[str, list[Measured]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(run_alone(command))
    return {
        name: Measured(
            min(one.wall for one in found), min(one.cpu for one in found), max(one.peak_bytes for one in found)
        )
        for name, found in runs.items()
    }


def print_ratios(measured: Mapping[str, Measured], ours: str) -> None:
    """A line for each, and what ours takes of its time."""
    for name, one in measured.items():
        ratio = "" if name == ours else f"   ours {measured[ours].wall / one.wall:6.3f} of its wall time"
        ratio += "" if name == ours else f", {measured[ours].cpu / one.cpu:6.3f} of its CPU time"
        print(row(name, one) + ratio, flush=True)


def together(parts: Sequence[Measured]) -> Measured:
    """Processes that ran one after the other."""
    return Measured(
        sum(part.wall for part in parts), sum(part.cpu for part in parts), max(part.peak_bytes for part in parts)
    )


def typical(runs: Sequence[Measured]) -> Measured:
    """The median of each figure; the highest peak."""
    return Measured(
        median(one.wall for one in runs), median(one.cpu for one in runs), max(one.peak_bytes for one in runs)
    )


def _sample(process: "subprocess.Popen[str]", peak: list[int]) -> None:
    while process.poll() is None:
        peak[0] = max(peak[0], sum(_pss(pid) for pid in _family(process.pid)))
        time.sleep(0.02)


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            children = Path(f"/proc/{one}/task/{one}/children").read_text().split()
        except OSError:
            continue
        found.extend(map(int, children))
    return found


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def row(name: str, measured: Measured) -> str:
    return (
        f"{name:34} wall {measured.wall:7.2f} s   cpu {measured.cpu:7.2f} s   "
        f"peak {measured.peak_bytes / 2**20:6.0f} MiB"
    )
