"""From Debian packages to a running system: moss against dpkg, whole processes in one run.

    python tests/bench/debs_vs_dpkg.py [--runs N] [PACKAGE…]

moss: convert (zstd level 3, all cores), index, add the repository, install. dpkg: `--root … --install`
of the same debs with their maintainer scripts taken out, both into an empty root on the same file
system. Prints medians and the ratio moss/dpkg of each pair.
"""

import argparse
import io
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.measuring import MOSS, Measured, row, run, together, typical
from tests.debian.closure import ESSENTIAL, AptUnavailable, closure

BASE = list(dict.fromkeys([*ESSENTIAL, "gawk", "python3-minimal", "ca-certificates"]))
SCRIPTS = {"preinst", "postinst", "prerm", "postrm", "config", "triggers"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("packages", nargs="*", default=BASE)
    options = parser.parse_args()
    if shutil.which("dpkg") is None:
        sys.exit("this needs dpkg: run it on Debian")
    try:
        debs = [Path(deb) for deb in closure(options.packages)]
    except AptUnavailable as fault:
        sys.exit(f"skipped: {fault}")
    size = sum(deb.stat().st_size for deb in debs)
    print(f"{len(debs)} debs, {size / 2**20:.1f} MiB; {options.runs} pairs")
    with tempfile.TemporaryDirectory(prefix="moss-bench-") as scratch:
        silent = [without_scripts(deb, Path(scratch) / "debs") for deb in debs]
        pairs: list[tuple[Measured, Measured]] = []
        for number in range(options.runs):
            place = Path(scratch) / str(number)
            os.sync()
            ours = with_moss(debs, place / "moss", options.packages)
            os.sync()
            theirs = with_dpkg(silent, place / "dpkg")
            pairs.append((ours, theirs))
            shutil.rmtree(place)
    print(row("moss convert, index, install", typical([ours for ours, _ in pairs])))
    print(row("dpkg --install", typical([theirs for _, theirs in pairs])))
    ratios = sorted(ours.wall / theirs.wall for ours, theirs in pairs)
    print(f"wall, moss / dpkg: median {median(ratios):.2f}  (min {ratios[0]:.2f}, max {ratios[-1]:.2f})")


def with_moss(debs: list[Path], place: Path, packages: list[str]) -> Measured:
    stones, root = place / "stones", place / "root"
    stones.mkdir(parents=True)
    return together(
        [
            run([*MOSS, "-q", "convert", *debs, "-o", stones]),
            run([*MOSS, "-q", "index", stones]),
            run([*MOSS, "-q", "-D", root, "repo", "add", "debian", stones / "stone.index", "--unsigned"]),
            run([*MOSS, "-q", "-D", root, "install", "-y", *packages]),
        ]
    )


def with_dpkg(debs: list[Path], root: Path) -> Measured:
    state = root / "var/lib/dpkg"
    for directory in (state / "info", state / "updates", root / "var/log"):
        directory.mkdir(parents=True)
    for name in ("status", "available"):
        (state / name).touch()
    options = ["--force-depends", "--force-script-chrootless", "--no-triggers", "--force-confnew"]
    return run(["dpkg", f"--root={root}", f"--log={root}/var/log/dpkg.log", *options, "--install", *debs])


def without_scripts(deb: Path, folder: Path) -> Path:
    """The same deb, its data member untouched, without maintainer scripts."""
    folder.mkdir(exist_ok=True)
    target = folder / deb.name
    content = deb.read_bytes()
    with target.open("wb") as out:
        out.write(b"!<arch>\n")
        at = 8
        while at < len(content):
            header, size = content[at : at + 60], int(content[at + 48 : at + 58])
            body = content[at + 60 : at + 60 + size]
            at += 60 + size + size % 2
            name = header[:16].decode().rstrip(" /")
            if name.startswith("control.tar"):
                body, name = silenced(body, name), "control.tar.gz"
            out.write(name.ljust(16).encode() + header[16:48] + str(len(body)).ljust(10).encode() + b"`\n")
            out.write(body + b"\n" * (len(body) % 2))
    return target


def silenced(control: bytes, name: str) -> bytes:
    if name.endswith(".zst"):
        sys.exit(f"{name}: control members in zstd are not handled here; take debs of Debian's own suites")
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(control)) as old, tarfile.open(fileobj=out, mode="w:gz") as new:
        for member in old:
            if member.name.removeprefix("./") not in SCRIPTS:
                new.addfile(member, old.extractfile(member) if member.isfile() else None)
    return out.getvalue()


if __name__ == "__main__":
    main()
