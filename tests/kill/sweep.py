"""Real kills and real errors: whole moss processes, stopped by strace at every state-changing system call.

    python tests/kill/sweep.py [--every N] [OPERATION…]     prints each failure, and how many points there were

A first run under strace lists the system calls that touch the root. Then, for each of them, on a fresh copy
of the root: SIGKILL there, or an error there once; then the next command. What must hold: /usr is exactly the
old or the new generation, every archived tree is whole, nothing is under way; after an error no traceback, and
a message with a remedy, unless the command succeeded all the same.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.builders import metadata, write_package  # noqa: E402, RUF100
from tests.trees import differences  # noqa: E402, RUF100

CALLS = (
    *("openat", "write", "pwrite64", "ftruncate", "fallocate", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir"),
    *("link", "linkat", "symlink", "symlinkat", "rename", "renameat", "renameat2", "chmod", "fchmod", "fchmodat"),
    *("chown", "fchown", "fchownat", "lchown", "setxattr", "fsetxattr", "fsync", "fdatasync", "syncfs", "flock"),
)
ERRORS = ("ENOSPC", "EIO", "EMFILE", "EROFS")
# What the kernel gives which error for; others would test what cannot be.
GIVES_EMFILE = frozenset({"openat"})
NO_ERRORS = frozenset({"flock"})
OPERATIONS = {
    "install": ["install", "-y", "other"],
    "update": ["update", "-y"],
    "rollback": ["rollback", "-y"],
    "prune": ["state", "prune", "-y", "--keep", "1"],
    "sync": ["sync", "--from", "BUNDLE", "--unsigned", "-y"],
    "export": ["export", "-o", "MADE"],
}
"""BUNDLE stands for a bundle that carries an update, patches included; MADE for a file that is written."""


class Point(NamedTuple):
    """Where a process is stopped: the `number`-th time it makes this call."""

    call: str
    number: int
    error: str | None
    """None: killed there."""

    @property
    def injection(self) -> str:
        what = "signal=KILL" if self.error is None else f"error={self.error}"
        return f"inject={self.call}:{what}:when={self.number}"


class Verdict(NamedTuple):
    """What came of stopping there; no faults when all held."""

    point: Point
    faults: list[str]


def moss(root: Path, *words: str, under: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
    fixed = {"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
    environment = {**os.environ, **fixed}
    command = [*under, sys.executable, "-m", "moss", "-D", str(root), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def prepare(folder: Path) -> Path:
    """A root with generations 1 to 3, `rollback` going to 2, an update on offer, and a spare."""
    repository, root = folder / "packages", folder / "root"
    files = {"bin/tool": "one", "share/tool/notes": "text", "lib/tool/deep/file": "deep", "share/turn": "a file"}
    write_package(repository, metadata("tool", "1"), dict(files))
    write_package(repository, metadata("more"), {"bin/more": "more", "lib/tool/none": ""})
    write_package(repository, metadata("other"), {"bin/other": "other", "share/tool/more": "x" * 5000})
    _done(moss(root, "index", str(repository)))
    _done(moss(root, "repo", "add", "main", str(repository / "stone.index"), "--unsigned"))
    for words in (["install", "tool"], ["install", "more"], ["remove", "more"], ["install", "more"]):
        _done(moss(root, *words, "-y"))
    _done(moss(root, "state", "prune", "--keep", "3", "--remember", "-y"))
    _done(moss(root, "remove", "more", "-y"))
    write_package(
        repository, metadata("tool", "2"), {"bin/tool": "two", "share/tool/notes": "text", "share/turn/a": "b"}
    )
    _done(moss(root, "index", str(repository)))
    _make_bundle(root, folder / "bundle")
    return root


def _make_bundle(root: Path, bundle: Path) -> None:
    """What another system, which was like this one and was updated since, exports for it."""
    other, receipt = root.with_name("other"), root.with_name("receipt")
    subprocess.run(["cp", "-a", str(root), str(other)], check=True)
    _done(moss(root, "receipt", "-o", str(receipt)))
    _done(moss(other, "update", "-y"))
    _done(moss(other, "install", "-y", "other"))
    _done(moss(other, "export", "--for", str(receipt), "-o", str(bundle)))
    shutil.rmtree(other)


def points(root: Path, words: Sequence[str], every: int) -> list[Point]:
    """Each call that touches the root, as a place to be killed and to fail in."""
    log = root.with_name("calls.log")
    known = [call for call in CALLS if _is_known(call)]
    _done(moss(root, *words, under=["strace", "-f", "-y", "-o", str(log), "-e", f"trace={','.join(known)}"]))
    counts: dict[str, int] = {}
    found: list[Point] = []
    for line in log.read_text(errors="replace").splitlines():
        matched = re.match(r"\d+ +(\w+)\((.*)", line)
        if matched is None:
            continue
        call, rest = matched.groups()
        counts[call] = counts.get(call, 0) + 1
        if str(root) not in rest or (call == "openat" and not re.search(r"O_CREAT|O_WRONLY|O_RDWR|O_DIRECTORY", rest)):
            continue
        found.append(Point(call, counts[call], None))
        if call not in NO_ERRORS:
            found += [
                Point(call, counts[call], error) for error in ERRORS if (error == "EMFILE") == (call in GIVES_EMFILE)
            ]
    return found[::every]


def judge(template: Path, words: Sequence[str], point: Point, scratch: Path) -> Verdict:
    """Stop a process at one point, run the next command, and look."""
    root = scratch / "root"
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["cp", "-a", str(template), str(root)], check=True)
    before = _generation(root)
    stopped = moss(
        root, *words, under=["strace", "-f", "-o", "/dev/null", "-e", f"trace={point.call}", "-e", point.injection]
    )
    faults: list[str] = []
    if words[0] == "export":
        faults += _half_exported(Path(words[-1]))
    if "Traceback" in stopped.stderr:
        faults.append(f"traceback: {stopped.stderr.strip().splitlines()[-1]}")
    elif point.error is not None and stopped.returncode not in (0, 100):
        if "error: " not in stopped.stderr:
            faults.append(f"exit {stopped.returncode} without a message")
        elif not re.search(r"^  (try|\d\.) ", stopped.stderr, re.MULTILINE):
            faults.append(f"no remedy: {stopped.stderr.strip()}")
    follow = moss(root, "install", "-y", "tool")
    if follow.returncode not in (0, 13):
        faults.append(f"the next command: exit {follow.returncode}: {follow.stderr.strip()[-300:]}")
    again = moss(root, "install", "-y", "tool")
    if again.returncode != 0:
        faults.append(f"the one after it: exit {again.returncode}: {again.stderr.strip()[-300:]}")
    faults += _broken(root, before)
    if words[0] == "sync":
        complete = moss(root, *words)
        if complete.returncode != 0:
            faults.append(f"it does not complete when run again: {complete.stderr.strip()[-300:]}")
        faults += [f"when run again: {line}" for line in differences(root)[:3]]
    return Verdict(point, faults)


def _half_exported(made: Path) -> Iterator[str]:
    """A bundle is there whole or not at all; what was written aside may be left by a kill."""
    if made.exists():
        verified = moss(made.parent, "bundle", "verify", str(made))
        if verified.returncode != 0:
            yield f"a part of a bundle: {verified.stderr.strip()}"
        made.unlink()
    for aside in made.parent.glob(f".{made.name}.*"):
        aside.unlink()


def _broken(root: Path, before: int) -> Iterator[str]:
    after = _generation(root)
    if after < before - 1 or after > before + 1:
        yield f"generation {before} became {after}"
    yield from (f"/usr: {line}" for line in differences(root)[:3])
    for holder in sorted((root / ".moss/root").iterdir()):
        held = holder / "usr/.stateID"
        if not held.exists():
            yield f"{holder.name} holds no generation"
        elif holder.name != "spare":
            if int(held.read_text()) != int(holder.name):
                yield f"{holder.name} holds {held.read_text().strip()}"
            yield from (f"{holder.name}: {line}" for line in differences(root, int(holder.name), holder / "usr")[:3])


def sweep(operation: str, every: int, folder: Path) -> list[Verdict]:
    """Every `every`-th point of one operation."""
    template = prepare(folder)
    measured = folder / "measured" / "root"
    measured.parent.mkdir()
    subprocess.run(["cp", "-a", str(template), str(measured)], check=True)
    scratch = folder / "try"
    scratch.mkdir()
    named = {"BUNDLE": str(folder / "bundle"), "MADE": str(scratch / "made")}
    words = [named.get(word, word) for word in OPERATIONS[operation]]
    return [judge(template, words, point, scratch) for point in points(measured, words, every)]


def _is_known(call: str) -> bool:
    return subprocess.run(["strace", "-e", f"trace={call}", "true"], capture_output=True).returncode == 0


def _generation(root: Path) -> int:
    return int((root / "usr/.stateID").read_text())


def _done(process: "subprocess.CompletedProcess[str]") -> None:
    assert process.returncode == 0, process.stderr


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("operations", nargs="*", metavar="OPERATION")
    parser.add_argument("--every", type=int, default=1, help="only every N-th point")
    options = parser.parse_args()
    kills = errors = broken = 0
    for operation in options.operations or OPERATIONS:
        with tempfile.TemporaryDirectory(prefix="moss-kill-") as folder:
            for verdict in sweep(operation, options.every, Path(folder)):
                kills += verdict.point.error is None
                errors += verdict.point.error is not None
                broken += bool(verdict.faults)
                for fault in verdict.faults:
                    print(f"{operation}: {verdict.point.injection}: {fault}", flush=True)
    print(f"{kills} kills and {errors} errors, {broken} of them broke something")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
