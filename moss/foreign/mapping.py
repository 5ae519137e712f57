"""Where a path of a Debian package goes.

    bin/ sbin/ lib/ lib32/ lib64/ libx32/   below /usr (the root has links)
    usr/                                    stays
    boot/{vmlinuz,config,System.map}-V      /usr/lib/modules/V/
    etc/ var/                               the factory, and lines of tmpfiles.d that bring it out
    etc/init.d etc/rc?.d, etc/systemd/{system,user} links
                                            left out: units and presets do this
    anything else                           left out

Paths here are relative to the root, without a leading slash; those of the result are relative to /usr.
"""

import posixpath
from enum import Enum

from moss.layout import EntryKind
from moss.root import ROOT_LINKS

_TOP = (
    "boot",
    "dev",
    "efi",
    "etc",
    "home",
    "media",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "srv",
    "sys",
    "tmp",
)
SKELETON = frozenset((*ROOT_LINKS, *_TOP, "usr", "var"))
"""Directories at the top that moss makes with the root; that a package has them too says nothing."""

_KERNEL_FILES = ("vmlinuz", "config", "System.map")
_VOLATILE = {"var/run": "run", "var/lock": "run/lock"}


class Place(Enum):
    """What becomes of a path."""

    USR = "in /usr"
    FACTORY = "in the factory, brought out to /etc or /var"
    SKELETON = "made with the root"
    OUTSIDE = "outside /usr, /etc, /boot and /var"
    SYSV = "SysV start scripts and links"
    ENABLEMENT = "links that enable units"


def place_of(path: str, kind: EntryKind) -> Place:
    """What becomes of `path`, which is of that kind."""
    top, slash, rest = path.partition("/")
    if not slash:
        return Place.SKELETON if _is_skeletons(top, kind) else Place.OUTSIDE
    if top == "usr" or top in ROOT_LINKS:
        return Place.USR
    if top == "boot":
        return Place.OUTSIDE if _kernel_path(rest) is None else Place.USR
    if top == "var":
        return Place.FACTORY
    return _place_in_etc(rest, kind) if top == "etc" else Place.OUTSIDE


def _is_skeletons(top: str, kind: EntryKind) -> bool:
    is_merged_link = kind is EntryKind.SYMLINK and top in ROOT_LINKS
    return is_merged_link or (kind is EntryKind.DIRECTORY and top in SKELETON)


def _place_in_etc(rest: str, kind: EntryKind) -> Place:
    first = rest.split("/", 1)[0]
    if first == "init.d" or (len(first) == 5 and first.startswith("rc") and first.endswith(".d")):
        return Place.SYSV
    if kind is EntryKind.SYMLINK and rest.startswith(("systemd/system/", "systemd/user/")):
        return Place.ENABLEMENT
    return Place.FACTORY


def at_runtime(path: str) -> str:
    """Where the path is found on a running system, links of the root skeleton followed."""
    top, slash, rest = path.partition("/")
    if top in ROOT_LINKS:
        return f"usr/{path}"
    if top == "boot" and slash:
        return _kernel_path(rest) or path
    for link, volatile in _VOLATILE.items():
        if path == link or path.startswith(link + "/"):
            return volatile + path[len(link) :]
    return path


def _kernel_path(name: str) -> str | None:
    stem, dash, version = name.partition("-")
    if stem in _KERNEL_FILES and dash and version and "/" not in version:
        return f"usr/lib/modules/{version}/{stem}"
    return None


def relinked(path: str, target: str) -> str:
    """The text of the symlink at `path`, so that it means the same where the link goes.

    It is changed only where it would mean something else, or climb above the root (which leads back to the
    root on a running system, but out of it where the root is looked at from outside). A relative link
    stays relative.
    """
    here = at_runtime(path)
    climbs_out = posixpath.normpath(posixpath.join(posixpath.dirname(here), target)).startswith("..")
    wanted = at_runtime(_resolved(posixpath.dirname(path), target))
    if _at_runtime_by_links(_resolved(posixpath.dirname(here), target)) == wanted and not climbs_out:
        return target
    if target.startswith("/"):
        return f"/{wanted}"
    return posixpath.relpath(f"/{wanted}", f"/{posixpath.dirname(here)}")


def points_at_itself(path: str, target: str) -> bool:
    """Whether the symlink was there for a root without merged /usr, and is now its own target."""
    return at_runtime(_resolved(posixpath.dirname(path), target)) == at_runtime(path)


def _at_runtime_by_links(path: str) -> str:
    """`at_runtime` by the skeleton's links alone: nothing in the root links /boot to the kernels."""
    return path if path.startswith("boot/") else at_runtime(path)


def _resolved(directory: str, target: str) -> str:
    """What a link's text names, by the text alone; above the root is the root, as at runtime."""
    return posixpath.normpath(posixpath.join("/", directory, target)).lstrip("/")
