"""Where a malicious file is given to moss: a process with little memory and time, and all around it is watched."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from moss.cli.main import main
from moss.digest import PackageDigest
from moss.package import Metadata, Published
from moss.stone.repository_index import write_index_file
from tests.builders import metadata, snapshot
from tests.stone.plainly import sha256

PROJECT = Path(__file__).resolve().parents[2]
MOST_MEMORY = 256 << 20
MOST_SECONDS = 10
_ADDRESSES = 4 << 30
"""A last resort: what moss maps and never touches is no memory."""


class Ended(NamedTuple):
    code: int
    out: str
    err: str
    memory: int
    """The most that was resident at one time, in bytes."""
    seconds: float
    """Of processors: others are at work on this machine too."""


class World:
    """A folder for one attack: `files` is the attacker's, `root` moss's, `outside` nobody's business."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files, self.root, self.outside = folder / "files", folder / "root", folder / "outside"
        for made in (self.files, self.outside, folder / "cwd", folder / "tmp", folder / "home"):
            made.mkdir(parents=True)
        (self.outside / "precious").write_text("precious")

    def write(self, name: str, content: bytes) -> Path:
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def offers(self, raw: bytes, about: Metadata | None = None, *, uri: str = "evil.stone", size: int = -1) -> None:
        """A repository whose index names these bytes as a package, rightly; added to the root."""
        said = Published(
            about or metadata("small", "1.0", 3), uri, PackageDigest(sha256(raw)), len(raw) if size < 0 else size
        )
        self.write("evil.stone", raw)
        write_index_file(str(self.files / "stone.index"), [said])
        self.done("repo", "add", "evil", str(self.files / "stone.index"), "--unsigned")

    def done(self, *words: str) -> None:
        """Something before the attack, in this process."""
        assert main(["-D", str(self.root), "-q", *words]) == 0, words

    def moss(self, *words: str) -> Ended:
        command = [sys.executable, "-c", _MEASURED, "-D", str(self.root), *words]
        told = {
            "PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(PROJECT), "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"), "MEASURED": str(self.folder / "measured"),
        }  # fmt: skip
        began = time.monotonic()
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=told, cwd=self.folder / "cwd",
            timeout=MOST_SECONDS * 6, check=False,
        )  # fmt: skip
        seconds = time.monotonic() - began
        measured = self.folder / "measured"
        memory, used = measured.read_text().split() if measured.exists() else ("0", str(seconds))
        measured.unlink(missing_ok=True)
        out, err = (stream.decode("utf-8", "surrogateescape") for stream in (ended.stdout, ended.stderr))
        return Ended(ended.returncode, out, err, int(memory), float(used))

    def around(self) -> dict[str, object]:
        """All that moss has no business with: not its own directory, nor what it was told to write."""
        return snapshot(self.folder, without=("root/.moss",))


_MEASURED = f"""
import os, re, resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({_ADDRESSES}, {_ADDRESSES}))
resource.setrlimit(resource.RLIMIT_CPU, ({MOST_SECONDS * 3}, {MOST_SECONDS * 3}))
from moss.cli.main import main
code = main(sys.argv[1:])
with open("/proc/self/status") as status:
    own = int(re.search(r"VmHWM:\\s+([0-9]+)", status.read())[1])
children, me = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
used = sum(one.ru_utime + one.ru_stime for one in (children, me))
with open(os.environ["MEASURED"], "w") as measured:
    measured.write(f"{{max(own, children.ru_maxrss) * 1024}} {{used}}")
sys.stdout.flush()
os._exit(code)
"""
"""moss as its console script runs it, and then what the kernel says that this process alone has taken."""


Prepare = Callable[[World], tuple[str, ...]]
"""Makes the malicious file, and says on which words moss meets it."""


class Attack(NamedTuple):
    kind: str
    """Of file: stone, index, bundle, deb, Packages, InRelease, TUF metadata, root index."""
    name: str
    prepare: Prepare
    codes: tuple[int, ...] = (7,)
    """How moss may end."""
    stays_out: bool = True
    """Whether nothing at all may be installed, or only nothing outside the root."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"
