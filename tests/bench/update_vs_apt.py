"""`moss update` beside `apt-get update && apt-get -s dist-upgrade`: the same signed repository, over one HTTP server.

    python -m tests.bench.update_vs_apt [RUNS] [beside]

The repository is the machine's own main index, signed with a key made for this; the system has some hundred of its
packages, which moss plans and apt simulates to update (nothing is installed). In each run the index changes first:
some dozen packages are newer, half of them installed ones. Then it is asked for again unchanged. With `beside` there
is a second repository, the machine's next largest index, which stays as it is. Last, what reading the changed index
takes, with the peak of its memory, and `deb2solv -r` of the same text.

Each is given as the median over the runs of ours by theirs, taken in the same run.
"""

import gzip
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from moss.foreign.apt import plain_pieces
from tests.bench.apt_index import main_index
from tests.bench.measuring import MOSS_SCRIPT, Measured, row, run, run_alone, together, typical
from tests.debian.signing import SUITE, Signer, release
from tests.foreign.debmaker import Deb, Item, folder

_WISHED = ("openssh-server", "python3", "git", "nginx", "vim", "build-essential", "cups", "emacs-nox", "postgresql")
_CHANGED = 48
_OF_INDEX = ("Filename:", "Size:", "SHA256:", "MD5sum:", "Description-md5:")


class Repository:
    """A mirror of one suite, whose index changes."""

    def __init__(self, place: Path, signer: Signer, text: str) -> None:
        self.folder, self._signer = place, signer
        self.paragraphs = text.strip("\n").split("\n\n")
        self._by_name = {self.name_of(one): number for number, one in enumerate(self.paragraphs)}
        self.date = int(time.time()) - 86400
        (place / SUITE / "main/binary-amd64").mkdir(parents=True)
        self.publish()

    @staticmethod
    def name_of(paragraph: str) -> str:
        return paragraph.partition("Package: ")[2].partition("\n")[0]

    @property
    def text(self) -> str:
        return "\n\n".join(self.paragraphs) + "\n"

    @property
    def names(self) -> set[str]:
        return set(self._by_name)

    def paragraph(self, name: str) -> str:
        return self.paragraphs[self._by_name[name]]

    def renew(self, names: list[str]) -> None:
        """Newer versions of these."""
        for name in names:
            lines = self.paragraph(name).split("\n")
            version = next(line for line in lines if line.startswith("Version: "))
            digest = next(line for line in lines if line.startswith("SHA256: "))
            lines[lines.index(version)] = f"{version}.1"
            lines[lines.index(digest)] = f"SHA256: {random.getrandbits(256):064x}"
            self.paragraphs[self._by_name[name]] = "\n".join(lines)
        self.date += 60
        self.publish()

    def publish(self) -> None:
        index = self.folder / SUITE / "main/binary-amd64/Packages.gz"
        index.write_bytes(gzip.compress(self.text.encode(), 6))
        index.with_suffix("").write_text(self.text)  # apt takes no index whose plain text is not signed for too
        release_text = release(self.folder, date=self.date, more="Architectures: amd64\nComponents: main\n")
        (self.folder / SUITE / "InRelease").write_bytes(self._signer.signed(release_text, "--digest-algo", "SHA256"))

    def hold(self, names: list[str]) -> None:
        """Have these as packages too, each with one file, so that moss can install them."""
        for name in names:
            lines = self.paragraph(name).split("\n")
            control = "\n".join(line for line in lines if not line.startswith(_OF_INDEX))
            items = (folder("./usr/"), folder("./usr/share/"), folder(f"./usr/share/{name}/"))
            file = Item(f"./usr/share/{name}/is-here", name.encode())
            deb = Deb((*items, file), control + "\n", compression=".gz").bytes()
            place = f"pool/{name}.deb"
            (self.folder / "pool").mkdir(exist_ok=True)
            (self.folder / place).write_bytes(deb)
            listed = f"Filename: {place}\nSize: {len(deb)}\nSHA256: {hashlib.sha256(deb).hexdigest()}"
            self.paragraphs[self._by_name[name]] = f"{control}\n{listed}"
        self.date += 60
        self.publish()


class Contender(NamedTuple):
    update: tuple[tuple[str | Path, ...], ...]
    """What updates, and plans what an update would do."""

    def measured(self) -> Measured:
        return together([run_alone(command) for command in self.update])


def apt(place: Path, uris: list[str], keyring: Path, installed: str) -> Contender:
    """With everything it reads and writes below `place`; dpkg is `false`: it only ever simulates."""
    for one in ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"):
        (place / one).mkdir(parents=True)
    (place / "status").write_text(installed)
    lines = [f"deb [arch=amd64 signed-by={keyring}] {uri} stable main\n" for uri in uris]
    (place / "sources.list").write_text("".join(lines))
    options = {
        "Dir::Etc": place / "etc", "Dir::Etc::sourcelist": place / "sources.list", "Dir::Etc::sourceparts": "-",
        "Dir::State": place / "state", "Dir::State::status": place / "status", "Dir::Cache": place / "cache",
        "Dir::Bin::dpkg": "/bin/false", "APT::Sandbox::User": "root", "Acquire::Languages": "none",
        "APT::Update::Error-Mode": "any", "APT::Architecture": "amd64", "APT::Architectures": "amd64",
    }  # fmt: skip
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return Contender((("apt-get", *words, "-q", "update"), ("apt-get", *words, "-q", "-s", "dist-upgrade")))


def as_installed(repositories: list[Repository], names: list[str]) -> str:
    """The last one that has a package has its newest version."""
    newest = [next(one.paragraph(name) for one in reversed(repositories) if name in one.names) for name in names]
    return "\n\n".join(one.replace("\n", "\nStatus: install ok installed\n", 1) for one in newest) + "\n"


@contextmanager
def served(place: Path) -> Iterator[str]:
    """Over HTTP, by a process of its own."""
    words = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(place), "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().rpartition("(")[2].split("/)")[0]
        finally:
            server.terminate()


def closure(root: Path) -> list[str]:
    """What the wished packages come to, in a system that has nothing yet."""
    words = [*map(str, MOSS_SCRIPT), "-D", str(root), "--json", "install", "--dry-run", *_WISHED]
    answer = json.loads(subprocess.run(words, capture_output=True, check=True, text=True).stdout)
    return sorted({one["name"] for one in answer["data"]["plan"]["installs"]})


def compare(runs: int, place: Path, repositories: list[Repository], uris: list[str], keyring: Path) -> None:
    root, repository = place / "root", repositories[0]
    moss = (*MOSS_SCRIPT, "-D", root)
    narrowed = ("--suite", "stable", "--component", "main", "--arch", "amd64", "--trust", keyring)
    for number, uri in enumerate(uris):
        run((*moss, "repo", "add", f"debian{number or ''}", f"apt+{uri}", *narrowed))
    installed = closure(root)
    for one in repositories:
        one.hold([name for name in installed if name in one.names])
    run((*moss, "repo", "update"))
    run((*moss, "-y", "install", *_WISHED))
    # Nobody is there to say yes: where there is something to do it ends with 2, when the plan has been shown.
    ours = Contender((("sh", "-c", f"{' '.join(map(str, moss))} update </dev/null; test $? = 0 -o $? = 2"),))
    theirs = apt(place / "apt", uris, keyring, as_installed(repositories, installed))
    run(theirs.update[0])
    if not any((place / "apt/state/lists").glob("*_Packages*")):
        sys.exit("apt did not take the index: there is nothing to compare with")
    run(theirs.update[1])
    print(f"{len(repository.paragraphs):,} packages, {len(installed)} of them installed, {_CHANGED} newer in each run")
    others = sorted(repository.names - set(installed))
    changed: list[tuple[Measured, Measured]] = []
    unchanged: list[tuple[Measured, Measured]] = []
    for number in range(runs):
        chance = random.Random(number)
        repository.renew(chance.sample(installed, _CHANGED // 2) + chance.sample(others, _CHANGED // 2))
        for found in (changed, unchanged):
            pair = [(0, ours), (1, theirs)]
            measured = {which: one.measured() for which, one in (pair if number % 2 else reversed(pair))}
            found.append((measured[0], measured[1]))
    for what, found in (("changed", changed), ("unchanged", unchanged)):
        for name, one in (("moss update", typical([a for a, _ in found])), ("apt-get", typical([b for _, b in found]))):
            print(f"{f'{name}, {what}':34} wall {one.wall:7.2f} s   cpu {one.cpu:7.2f} s")
        wall, cpu = (median(getattr(a, of) / getattr(b, of) for a, b in found) for of in ("wall", "cpu"))
        print(f"  ours {wall:.3f} of its wall time, {cpu:.3f} of its CPU time", flush=True)
    refreshing(runs, place, repository, moss)


def refreshing(runs: int, place: Path, repository: Repository, moss: tuple[str | Path, ...]) -> None:
    """Reading a changed index, and libsolv's reading of the same text."""
    found = []
    for _ in range(runs):
        repository.renew(random.sample(sorted(repository.names), _CHANGED))
        (place / "Packages").write_text(repository.text)
        refreshed = run((*moss, "repo", "update"))
        found.append((refreshed, run(("sh", "-c", f"deb2solv -r {place}/Packages > {place}/solv"))))
    print(row("moss repo update, changed", typical([one for one, _ in found])))
    print(row("deb2solv -r", typical([one for _, one in found])))
    wall, cpu = (median(getattr(a, of) / getattr(b, of) for a, b in found) for of in ("wall", "cpu"))
    print(f"  ours {wall:.1f} times its wall time, {cpu:.1f} times its CPU time")


def next_largest(index: Path) -> str:
    others = [one for one in index.parent.glob("*_Packages*") if one != index]
    if not others:
        sys.exit("apt has one index here: there is nothing to have beside it")
    return b"".join(plain_pieces(str(max(others, key=lambda one: one.stat().st_size)))).decode()


def main(runs: int, *, beside: bool) -> None:
    index = main_index()
    if shutil.which("gpg") is None or shutil.which("apt-get") is None:
        sys.exit("this needs gpg and apt-get")
    text = b"".join(plain_pieces(str(index))).decode()
    with tempfile.TemporaryDirectory(prefix="mu") as directory:
        place = Path(directory)
        signer = Signer(place / "key", "maker")
        try:
            texts = {"main": text} | ({"beside": next_largest(index)} if beside else {})
            repositories = [Repository(place / "served" / name, signer, said) for name, said in texts.items()]
            with served(place / "served") as uri:
                compare(runs, place, repositories, [f"{uri}/{name}" for name in texts], signer.keyring)
        finally:
            signer.end()


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "beside"]
    main(int(words[0]) if words else 5, beside="beside" in sys.argv[1:])
