"""The apt of a newer suite, unpacked in a folder and run from there on the machine's own lists.

It only ever simulates. dpkg is replaced by `false`, so that it could not install anything if it tried.
"""

import shutil
import subprocess
from pathlib import Path

from tests.bench.debian_suites import own_suite

_PACKAGES = (
    *("apt", "libapt-pkg7.0", "libc6", "libstdc++6", "libgcc-s1", "zlib1g", "libbz2-1.0", "liblzma5", "liblz4-1"),
    *("libzstd1", "libsystemd0", "libudev1", "libxxhash0", "libssl3t64", "libseccomp2", "libcap2"),
)


def fetch_lists(folder: Path, suites: tuple[str, ...]) -> list[str] | None:
    """apt's options for an apt that knows these suites and keeps all it has in `folder`; None offline."""
    for place in ("lists/partial", "cache/archives/partial"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    _, mirror, _ = own_suite(folder)
    (folder / "sources.list").write_text("".join(f"deb {mirror} {suite} main\n" for suite in suites))
    options = {
        "Dir::Etc::sourcelist": folder / "sources.list", "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists", "Dir::Cache": folder / "cache",
    }  # fmt: skip
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    done = subprocess.run(["apt-get", *words, "update"], check=False, capture_output=True)
    return words if done.returncode == 0 and any((folder / "lists").glob("*_Packages*")) else None


def unpacked_apt(folder: Path, suite: str) -> tuple[str, ...] | None:
    """The start of a command line of that suite's apt-get; None where it cannot be had here."""
    if shutil.which("dpkg-deb") is None:
        return None
    options = fetch_lists(folder, (suite,))
    if options is None:
        return None
    wanted = [f"{name}/{suite}" for name in _PACKAGES]
    fetch = ["apt-get", *options, "download", *wanted]
    if subprocess.run(fetch, cwd=folder, check=False, capture_output=True).returncode:
        return None
    for deb in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", deb, folder / "tree"], check=True)
    libraries = folder / "tree/usr/lib/x86_64-linux-gnu"
    loader = folder / "tree/usr/lib64/ld-linux-x86-64.so.2"
    return (str(loader), "--library-path", str(libraries), str(folder / "tree/usr/bin/apt-get"))


def simulating(apt: tuple[str, ...], folder: Path, lists: Path, package: str, *more: str) -> tuple[str, ...]:
    """`apt-get -s install` into an empty system, on these lists, with apt's binary caches kept."""
    (folder / "archives/partial").mkdir(parents=True, exist_ok=True)
    (folder / "status").write_text("")
    options = {
        "Dir::State::status": folder / "status", "Dir::State::lists": lists, "Dir::Cache": folder,
        "Dir::Cache::pkgcache": "pkgcache.bin", "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
        "Dir::Bin::dpkg": "/bin/false",
    }  # fmt: skip
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return (*apt, "-s", *words, *more, "install", package)
