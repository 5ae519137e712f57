"""What a root needs before its first generation: links into /usr, and the directories around it."""

import os
from collections.abc import Sequence

from moss.effects import Effects
from moss.errors import MossError
from moss.local.made import Made, MadeKind, made_at
from solver.values import value

_ALWAYS_LINKED = ("bin", "sbin", "lib", "lib64")
_LINKED_WITH_CONTENT = ("lib32", "libx32")
_DIRECTORIES = {
    **dict.fromkeys(("boot", "dev", "efi", "etc", "home", "media", "mnt", "opt", "run", "srv", "var"), 0o755),
    **dict.fromkeys(("proc", "sys"), 0o555),
    "root": 0o700,
    "tmp": 0o1777,
}
_MACHINE_ID = "etc/machine-id"
_UNINITIALIZED = b"uninitialized\n"
"""systemd then chooses an id at the first boot (machine-id(5))."""
_ASIDE = ".moss-new"


@value
class Skeleton:
    """What is missing: names of links to make, directories with their permissions, and the machine id."""

    links: tuple[str, ...]
    directories: tuple[tuple[str, int], ...]
    machine_id: bool
    has_leftovers: bool = False
    """An interrupted run left what it had made aside."""

    @property
    def is_empty(self) -> bool:
        return not (self.links or self.directories or self.machine_id or self.has_leftovers)


def propose_skeleton(root: str, usr: str) -> Skeleton:
    """What `root` lacks for the generation in the tree `usr`; an empty or missing root lacks all of it.

    Raises `MossError`, naming everything that stands in the way, when something else has one of the names.
    A directory that is there keeps its owner and permissions.
    """
    wanted_links = [*_ALWAYS_LINKED]
    wanted_links += [name for name in _LINKED_WITH_CONTENT if os.path.lexists(os.path.join(usr, name))]
    obstacles: list[str] = []
    links: list[str] = []
    for name in wanted_links:
        found = made_at(os.path.join(root, name))
        if found is None:
            links.append(name)
        elif not _is_link_into_usr(found, name):
            obstacles.append(f"/{name} is {_described(found)}, and must be a symlink to usr/{name}")
    directories: list[tuple[str, int]] = []
    for name, mode in _DIRECTORIES.items():
        found = made_at(os.path.join(root, name))
        if found is None:
            directories.append((name, mode))
        elif found.kind is not MadeKind.DIRECTORY:
            obstacles.append(f"/{name} is {_described(found)}, and must be a directory")
    if obstacles:
        raise _refusal(root, obstacles)
    lacks_id = made_at(os.path.join(root, _MACHINE_ID)) is None
    return Skeleton(tuple(links), tuple(directories), lacks_id, os.path.lexists(os.path.join(root, _ASIDE)))


def apply_skeleton(skeleton: Skeleton, root: str, effects: Effects) -> None:
    """Make what is missing; the root directory itself too. Doing it again after a crash completes it."""
    if not os.path.isdir(root):
        effects.mkdir(root, 0o755)
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in skeleton.links:
            effects.symlink(f"usr/{name}", name, dir_fd=root_fd)
        effects.remove_tree(_ASIDE, dir_fd=root_fd)
        if skeleton.directories:
            _make_directories(skeleton.directories, root_fd, effects)
        if skeleton.machine_id:
            effects.replace_file(_MACHINE_ID, _UNINITIALIZED, mode=0o444, dir_fd=root_fd)
        effects.syncfs(root_fd)
    finally:
        os.close(root_fd)


def _make_directories(directories: Sequence[tuple[str, int]], root_fd: int, effects: Effects) -> None:
    """Aside first, and synced there: a directory with the name has its permissions, whenever the power goes."""
    effects.mkdir(_ASIDE, 0o700, dir_fd=root_fd)
    for name, mode in directories:
        # An ordinary user may not move a directory that nobody may write to; it is born with that mode.
        effects.mkdir(f"{_ASIDE}/{name}" if mode & 0o200 else name, mode, dir_fd=root_fd)
    effects.syncfs(root_fd)
    for name in (name for name, mode in directories if mode & 0o200):
        effects.rename_no_replace(f"{_ASIDE}/{name}", name, src_dir_fd=root_fd, dst_dir_fd=root_fd)
    effects.rmdir(_ASIDE, dir_fd=root_fd)


def _is_link_into_usr(found: Made, name: str) -> bool:
    return found.kind is MadeKind.LINK and found.content.removeprefix("./").strip("/") == f"usr/{name}"


def _described(found: Made) -> str:
    match found.kind:
        case MadeKind.DIRECTORY:
            return "a directory"
        case MadeKind.LINK:
            return f"a symlink to {found.content}"
        case MadeKind.FILE:
            return "a file"
        case MadeKind.OTHER:
            return "a device or socket"


def _refusal(root: str, obstacles: Sequence[str]) -> MossError:
    return MossError(
        f"{root} cannot hold a system of moss's: {obstacles[0]}",
        because=obstacles[1:],
        remedies=["move what is there away", "choose another root with -D"],
    )
