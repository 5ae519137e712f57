"""A generation into a bundle and out of it, beside tar and zstd of the same tree, whole processes in one run.

    python tests/bench/bundle_vs_tar.py [--runs N] [--folder DIR] [PACKAGE…]

A root of Debian packages is exported, and a second, empty root made of the bundle; tar packs the same
/usr with the same zstd at the same level, and unpacks it. Both sides end when what they wrote is durable
(moss sees to that itself; tar is followed by `sync` of the file, or of the file system). Then both again
through pipes. Prints the ratios of each pair, sizes, and the peak of memory.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.measuring import MOSS, Measured, row, run, typical, without_triggers
from tests.bundle.machines import NAMES
from tests.debian.closure import AptUnavailable, closure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", help="where to work: its file system is what is measured")
    parser.add_argument("packages", nargs="*", default=NAMES)
    options = parser.parse_args()
    if shutil.which("zstd") is None:
        sys.exit("this needs zstd: apt install zstd")
    try:
        debs = closure(options.packages)
    except AptUnavailable as fault:
        sys.exit(f"skipped: {fault}")
    with tempfile.TemporaryDirectory(prefix="moss-bench-", dir=options.folder) as scratch:
        measure(Path(scratch), debs, options.packages, options.runs)


def measure(scratch: Path, debs: list[str], packages: list[str], runs: int) -> None:
    stones, root = scratch / "stones", scratch / "root"
    run([*MOSS, "-q", "convert", *debs, "-o", stones])
    run([*MOSS, "-q", "index", stones])
    without_triggers(root)
    run([*MOSS, "-q", "-D", root, "repo", "add", "debian", stones / "stone.index", "--unsigned"])
    run([*MOSS, "-q", "-D", root, "install", "-y", *packages])
    run([*MOSS, "-q", "-D", root, "key", "make"])
    bundle, tar = scratch / "system.bundle", scratch / "usr.tar.zst"
    ours, theirs = scratch / "ours", scratch / "theirs"
    moss = " ".join(MOSS)
    steps: dict[str, list[Measured]] = {}
    for _ in range(runs):
        pairs = {
            "export": f"{moss} -q -D {root} export -o {bundle}",
            "tar -c": f"tar -C {root} -c usr | zstd -q -3 -f -o {tar} && sync {tar}",
            "import": f"{moss} -q -D {ours} sync --from {bundle} --unsigned -y",
            "tar -x": f"mkdir {theirs} && zstd -q -d -c {tar} | tar -C {theirs} -x && sync -f {theirs}",
            "export, import": f"{moss} -q -D {root} export -o - | {moss} -q -D {ours} sync --from - --unsigned -y",
            "tar -c, tar -x": f"mkdir {theirs} && tar -C {root} -c usr | zstd -q -3 | zstd -q -d | tar -C {theirs} -x"
            f" && sync -f {theirs}",
        }
        for name, command in pairs.items():
            for made in (ours, theirs):
                shutil.rmtree(made, ignore_errors=True)
            if "sync --from" in command:
                without_triggers(ours)
            os.sync()
            steps.setdefault(name, []).append(run(["bash", "-o", "pipefail", "-c", command]))
    entries = sum(len(names) + len(files) for _, names, files in os.walk(root / "usr"))
    whole = sum(stone.stat().st_size for stone in stones.glob("*.stone"))
    print(f"{len(debs)} packages, {entries} entries; {runs} runs")
    for name, measured in steps.items():
        print(row(name, typical(measured)))
    for mine, peer in (("export", "tar -c"), ("import", "tar -x"), ("export, import", "tar -c, tar -x")):
        for what in ("wall", "cpu"):
            ratios = sorted(getattr(a, what) / getattr(b, what) for a, b in zip(steps[mine], steps[peer], strict=True))
            print(f"{mine} / {peer}, {what}: median {median(ratios):.2f}  (min {ratios[0]:.2f}, max {ratios[-1]:.2f})")
    size = bundle.stat().st_size
    print(f"bundle {size / 2**20:.1f} MiB: {size / whole:.3f} of the stones, {size / tar.stat().st_size:.3f} of tar's")


if __name__ == "__main__":
    main()
