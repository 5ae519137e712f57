"""Installing some 340 real packages and updating five of them: moss against dpkg, ostree and nix.

    python tests/bench/install_vs_peers.py [--runs N] [PACKAGE…]

All as whole processes in one run, on one file system. moss installs from stones that were converted
before, and runs no triggers; dpkg the same debs with their maintainer scripts taken out. ostree commits,
and checks out as hard links, the tree that came of it, nix adds each package's files to a store and makes a profile of
them: both are given files that are unpacked already. A peer that is not on the machine is passed over.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.debs_vs_dpkg import SCRIPTS, with_dpkg, without_scripts
from tests.bench.measuring import MOSS, Measured, row, run, together, typical, without_triggers
from tests.debian.closure import ESSENTIAL, AptUnavailable, closure

WANTED = [
    *ESSENTIAL, "python3", "git", "vim", "build-essential", "openssh-server", "curl", "cups", "emacs-nox",
    "apache2", "graphviz", "mutt", "postgresql",
]  # fmt: skip
UPDATED = ("coreutils", "git", "vim", "curl", "perl-base")

Pair = tuple[Measured, Measured]
"""Installing everything, updating five."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("packages", nargs="*", default=WANTED)
    options = parser.parse_args()
    missing = [tool for tool in ("dpkg", "dpkg-deb") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        sys.exit(f"skipped: this needs dpkg, dpkg-deb and root; missing: {', '.join(missing) or 'root'}")
    try:
        debs = [Path(deb) for deb in closure(options.packages)]
    except AptUnavailable as fault:
        sys.exit(f"skipped: {fault}")
    found: dict[str, list[Pair]] = {}
    with tempfile.TemporaryDirectory(prefix="moss-bench-") as scratch:
        top = Path(scratch)
        silent = [without_scripts(deb, top / "debs") for deb in debs]
        newer = [newer_version(deb, top / "newer") for deb in silent if name_of(deb) in UPDATED]
        stones = top / "stones"
        stones.mkdir()
        run([*MOSS, "-q", "convert", *silent, "-o", stones])
        size = sum(deb.stat().st_size for deb in debs)
        print(f"{len(debs)} debs, {size / 2**20:.0f} MiB; {len(newer)} are updated; {options.runs} runs", flush=True)
        peers = {"moss": with_moss, "dpkg": dpkg_pair}
        for tool, measure in (("ostree", ostree_pair), ("nix-store", nix_pair)):
            if shutil.which(tool):
                peers[tool] = measure
            else:
                print(f"{tool} is not on this machine: passed over")
        for number in range(options.runs):
            for name, measure in peers.items():
                place = top / f"{name}-{number}"
                place.mkdir()
                found.setdefault(name, []).append(measure(place, stones, silent, newer))
                os.sync()
                for what, measured in zip(("install", "update"), found[name][-1], strict=True):
                    print(row(f"{name} {what}, run {number + 1}", measured), flush=True)
                shutil.rmtree(place)
    for at, what in enumerate(("install", "update")):
        for name, pairs in found.items():
            print(row(f"{name} {what}", typical([pair[at] for pair in pairs])))
    for name, pairs in found.items():
        for at, what in enumerate(("install", "update")):
            ratios = [theirs[at].wall / ours[at].wall for ours, theirs in zip(found["moss"], pairs, strict=True)]
            if name != "moss":
                print(f"{what}, {name} / moss: median {median(ratios):.2f} (min {min(ratios):.2f})")


def with_moss(place: Path, stones: Path, _: list[Path], newer: list[Path]) -> Pair:
    repository, root = place / "repository", place / "root"
    shutil.copytree(stones, repository, copy_function=os.link)
    names = sorted({stone.name.split("_")[0] for stone in newer} | set(WANTED))
    run([*MOSS, "-q", "index", repository])
    without_triggers(root)
    run([*MOSS, "-q", "-D", root, "repo", "add", "debian", repository / "stone.index", "--unsigned"])
    os.sync()
    install = run([*MOSS, "-q", "-D", root, "install", "-y", *names])
    run([*MOSS, "-q", "convert", *newer, "-o", repository])
    run([*MOSS, "-q", "index", repository])
    os.sync()
    return install, run([*MOSS, "-q", "-D", root, "update", "-y"])


def dpkg_pair(place: Path, _: Path, silent: list[Path], newer: list[Path]) -> Pair:
    install = with_dpkg(silent, place / "root")
    os.sync()
    root = place / "root"
    options = ["--force-depends", "--force-script-chrootless", "--no-triggers", "--force-confnew"]
    command = ["dpkg", f"--root={root}", f"--log={root}/var/log/dpkg.log", *options, "--install", *newer]
    return install, run(command)


def ostree_pair(place: Path, _: Path, silent: list[Path], newer: list[Path]) -> Pair:
    tree, repository = place / "tree", place / "repository"
    unpacked(silent, tree)
    run(["ostree", f"--repo={repository}", "init", "--mode=bare"])
    install = _committed(place, "first", tree, repository)
    unpacked(newer, tree)
    return install, _committed(place, "second", tree, repository)


def _committed(place: Path, label: str, tree: Path, repository: Path) -> Measured:
    os.sync()
    return together([
        run(["ostree", f"--repo={repository}", "commit", "--branch=main", f"--tree=dir={tree}"]),
        run(["ostree", f"--repo={repository}", "checkout", "--require-hardlinks", "main", place / label]),
    ])


def nix_pair(place: Path, _: Path, silent: list[Path], newer: list[Path]) -> Pair:
    os.environ.update(
        NIX_STORE_DIR=str(place / "store"), NIX_STATE_DIR=str(place / "state"), NIX_LOG_DIR=str(place / "log"),
        NIX_CONF_DIR=str(place / "conf"), HOME=str(place),
        NIX_CONFIG="sandbox = false\nbuild-users-group =\nsubstituters =\nexperimental-features = nix-command",
    )  # fmt: skip
    folder = place / "packages"
    for deb in silent:
        unpacked([deb], folder / deb.name.split("_")[0])
    os.sync()
    paths, added = _added(sorted(folder.iterdir()))
    install = together([added, _profile(place, paths)])
    changed = []
    for deb in newer:
        shutil.rmtree(folder / name_of(deb))
        unpacked([deb], folder / name_of(deb))
        changed.append(folder / name_of(deb))
    os.sync()
    new, added = _added(changed)
    names = {Path(path).name.split("-", 1)[1] for path in new}
    kept = [path for path in paths if Path(path).name.split("-", 1)[1] not in names]
    return install, together([added, _profile(place, kept + new)])


def _added(folders: list[Path]) -> tuple[list[str], Measured]:
    """Add folders to the store in one process; their paths there."""
    out = folders[0].parent.parent / "added"
    measured = run(["sh", "-c", f'exec nix-store --add "$@" > {out}', "sh", *folders])
    return out.read_text().split(), measured


def _profile(place: Path, paths: list[str]) -> Measured:
    """A tree of symlinks to all of them, as a profile is: nix's own builder makes it."""
    manifest = " ".join(f'"1" "{5}" "1" "{path}"' for path in paths)
    expression = (
        'derivation { name = "profile"; builder = "builtin:buildenv"; system = "builtin"; manifest = "/dummy";'
        f" derivations = [ {manifest} ]; }}"
    ).replace('"1" "5" "1"', "true 5 1").replace(f'"{paths[0]}"', f'"{paths[0]}"')
    file = place / "profile.nix"
    file.write_text(expression)
    return run(["nix-build", "--no-out-link", file])


def unpacked(debs: list[Path], tree: Path) -> None:
    tree.mkdir(parents=True, exist_ok=True)
    for deb in debs:
        subprocess.run(["dpkg-deb", "--extract", deb, tree], check=True)


def name_of(deb: Path) -> str:
    return deb.name.split("_")[0]


def newer_version(deb: Path, folder: Path) -> Path:
    """The package rebuilt: a higher version, and every file a byte longer."""
    folder.mkdir(exist_ok=True)
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    lines = control.read_text().splitlines()
    control.write_text("".join(f"{line}+1\n" if line.startswith("Version:") else f"{line}\n" for line in lines))
    for name in SCRIPTS:
        (tree / "DEBIAN" / name).unlink(missing_ok=True)
    for path in tree.rglob("*"):
        if path.is_file() and not path.is_symlink() and "DEBIAN" not in path.parts:
            with path.open("ab") as file:
                file.write(b"\n")
    target = folder / deb.name.replace("_amd64", "+1_amd64")
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, target], check=True, capture_output=True)
    shutil.rmtree(tree)
    return target


if __name__ == "__main__":
    main()
