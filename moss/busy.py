"""Whether anything that runs uses a tree: such a tree must not change.

Seen: a sandbox that had bind-mounted an old /usr saw it change under its feet.

What counts is whoever looks at its *directories*: a process with its root, its working directory or an open
directory in it, a mount of a part of it, in any mount namespace, something mounted on a part of it, an
overlay that has it below. Open and mapped files do not count: making another tree of it takes names away and
adds others, and never writes into a file that is there, so a program goes on with the very files that it has.

What cannot be seen: mount namespaces that no process is in, and directories on their way through a socket.
"""

import errno
import os
import stat

from moss.mounts import Mount, Place, namespaces, place_of, process_ids, process_name
from moss.root import root_of
from solver.values import value


@value
class User:
    """A process that uses a tree, and how."""

    pid: int
    name: str
    how: str
    """`root`, `working directory`, `open directory`, `mount`, `mount on it`, `overlay`."""

    def __str__(self) -> str:
        return f"process {self.pid} ({self.name}): {self.how}"


def user_of(tree: str) -> User | None:
    """The first process found that uses a tree, or anything in it; None where there is no tree.

    Processes of other users cannot be looked into by an ordinary one; they cannot enter what is below
    its own /.moss either.
    """
    tree = os.path.realpath(tree)
    if not os.path.isdir(tree):
        return None
    directories = Directories(tree)
    for pid in process_ids():
        how = _inside(pid, directories)
        if how is not None:
            return User(pid, process_name(pid), how)
    place, names = place_of(tree), _names_of(tree)
    for pid, mounts in namespaces():
        for mount in mounts:
            how = _mounted(mount, place, names)
            if how is not None:
                return User(pid, process_name(pid), how)
    return None


class Directories:
    """Tells which directories are in a tree, by going up from them: paths differ between namespaces."""

    def __init__(self, tree: str) -> None:
        status = os.stat(tree)
        self._known = {(status.st_dev, status.st_ino): True}

    def have(self, link: str) -> bool:
        """Whether what a link in /proc leads to is a directory within the tree."""
        passed: list[tuple[int, int]] = []
        inside = False
        try:
            while True:
                status = os.stat(link)
                here = (status.st_dev, status.st_ino)
                if not stat.S_ISDIR(status.st_mode) or here in passed[-1:]:  # a file; the topmost directory
                    break
                known = self._known.get(here)
                if known is not None:
                    inside = known
                    break
                passed.append(here)
                link += "/.."
        except OSError as fault:  # ended, or another user's; or too deep to say
            return fault.errno == errno.ENAMETOOLONG
        self._known.update(dict.fromkeys(passed, inside))
        return inside


def _inside(pid: int, directories: Directories) -> str | None:
    process = f"/proc/{pid}"
    try:
        threads = os.listdir(f"{process}/task")
        opened = os.listdir(f"{process}/fd")
    except OSError:
        return None
    for thread in threads:  # each may have left for a directory of its own
        for link, how in (("root", "root"), ("cwd", "working directory")):
            if directories.have(f"{process}/task/{thread}/{link}"):
                return how
    return "open directory" if any(directories.have(f"{process}/fd/{fd}") for fd in opened) else None


def _mounted(mount: Mount, place: Place | None, names: frozenset[tuple[str, str]]) -> str | None:
    if place is not None and mount.place.is_within(place):
        return "mount"
    if place is not None and mount.on is not None and mount.on.is_within(place):
        return "mount on it"
    if any(lower == above or f"{lower}/".startswith(f"{name}/") for lower in mount.lower for above, name in names):
        return "overlay"
    return None


def _names_of(tree: str) -> frozenset[tuple[str, str]]:
    """What an overlay may call the tree, and the root that has it: by its name now, and by /usr, which it
    was called while it was live. Nothing tells which generation's tree an overlay got under the latter, so
    it counts for all of them.
    """
    root = root_of(tree)
    return frozenset({(tree, tree)} if root is None else {(tree, tree), (root.path, root.usr)})
