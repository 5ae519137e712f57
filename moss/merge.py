"""Merging layouts: from the paths of each package to the paths of a generation.

- A directory may be in any number of packages, whatever each says of it: what is said beats what is
  only implied (0755 root:root), and two that say different things are a collision.
- The same file (content, mode, owner) or the same symlink in two packages is fine.
- What a trigger wrote at a path beats what packages have there; what it removed is not there. A directory
  that was removed is there again where something is below it.
- Symlinks that triggers made move nobody's paths: packages are laid out as they were without them.
- A path below another package's directory symlink (`lib64/x` where `lib64 -> lib`) moves to where the
  link points.
- Anything else at one path is a collision, unless one of the packages replaces the other.

Pure: works on tuples, since a whole system has several hundred thousand of them.
"""

import posixpath
from collections.abc import Iterable, Iterator

from moss.errors import MossError
from moss.layout import Entry, EntryKind, tree_order
from moss.root import ROOT_LINKS
from solver.values import value

Replaces = frozenset[tuple[str, str]]
"""Pairs of package names: which one's paths win over which one's."""

NOTHING_REPLACED: Replaces = frozenset()

_LINKS_FOLLOWED = 40
"""As many as Linux follows before it says ELOOP."""


@value
class Collision:
    """Two packages with different things at one path."""

    path: str
    first: str
    second: str


class LayoutCollision(MossError):
    """Two packages with one path cannot be in one generation."""

    code = "COLLISION"

    def __init__(self, collisions: tuple[Collision, ...]) -> None:
        self.collisions = collisions
        one = collisions[0]
        super().__init__(
            f"{one.first} and {one.second} both have /usr/{one.path}, and not the same there",
            because=[
                f"{other.first} and {other.second} both have /usr/{other.path}" for other in collisions[1:10]
            ],
            remedies=[f"leave one of them out: moss remove {one.first}, or moss remove {one.second}"],
        )


@value
class Merged:
    """The paths of a generation in the order of a tree, and the directory links that others lead through."""

    entries: list[Entry]
    directory_links: dict[str, str]
    """Symlinks that stand where a package has a directory: path to target."""


def merge(
    layouts: Iterable[tuple[str, Iterable[Entry]]], replaces: Replaces = NOTHING_REPLACED
) -> Merged:
    """What a generation of these packages has below /usr.

    `layouts` gives each package's name with its entries, packages in the order of their names;
    `replaces` holds pairs (replacing, replaced) of package names. Raises LayoutCollision with every
    collision there is.
    """
    rows = [(name, entry) for name, entries in layouts for entry in entries]
    links = {
        entry.path: entry.link_target
        for name, entry in rows
        if entry.link_target is not None and not is_made_by_trigger(name)
    }
    follow = Resolver(links)
    moved = [(name, follow.moved(entry)) for name, entry in rows]
    moved.sort(key=lambda row: tree_order(row[1].path))  # stable: packages stay in order
    return Merged(list(unite(moved, replaces)), follow.followed)


def unite(rows: Iterable[tuple[str, Entry]], replaces: Replaces) -> Iterator[Entry]:
    """The entry of each path out of package names with their entries, which come in the order of a tree,
    at one path in the order of the packages' names, and were moved by directory links.

    Raises LayoutCollision with every collision there is, after the last row.
    """
    collisions: list[Collision] = []
    nothing = EntryKind.NOTHING
    leaves: list[tuple[str, str]] = []
    """What is no directory and a beginning of the path, with its package; the outermost first."""
    won: tuple[str, Entry] | None = None
    for row in rows:
        if won is not None and won[1].path == row[1].path:
            winner = better(won, row, replaces)
            if winner is None:
                collisions.append(Collision(row[1].path, won[0], row[0]))
            else:
                won = winner
            continue
        if won is not None and won[1].kind is not nothing:
            collisions += _above(won, leaves)
            yield won[1]
        won = row
    if won is not None and won[1].kind is not nothing:
        collisions += _above(won, leaves)
        yield won[1]
    if collisions:
        raise LayoutCollision(tuple(sorted(collisions, key=lambda one: one.path)))


def _above(won: tuple[str, Entry], leaves: list[tuple[str, str]]) -> Iterator[Collision]:
    """The file that stands where this path has a directory, told once for all that is below it."""
    package, entry = won
    while leaves and not entry.path.startswith(f"{leaves[-1][0]}/"):
        leaves.pop()
    if leaves and leaves[-1][1]:
        path, other = leaves[-1]
        leaves[-1] = (path, "")
        yield Collision(path, other, package)
    if entry.kind is not EntryKind.DIRECTORY:
        leaves.append((entry.path, package))


def better(
    first: tuple[str, Entry], second: tuple[str, Entry], replaces: Replaces
) -> tuple[str, Entry] | None:
    """Which of two entries at one path the generation has; None for a collision."""
    if first[1] == second[1]:
        return first
    if is_made_by_trigger(first[0]) != is_made_by_trigger(second[0]):
        return first if is_made_by_trigger(first[0]) else second
    if (first[0], second[0]) in replaces:
        return first
    if (second[0], first[0]) in replaces:
        return second
    if first[1].kind is second[1].kind is EntryKind.DIRECTORY:
        if _is_usual_directory(first[1]):
            return second
        if _is_usual_directory(second[1]):
            return first
    return None


def name_of_made(trigger: str) -> str:
    """What a trigger wrote goes by this name among packages; no package can have it."""
    return f"trigger({trigger})"


def is_made_by_trigger(package: str) -> bool:
    return package.startswith("trigger(")


def _is_usual_directory(entry: Entry) -> bool:
    return entry.mode & 0o7777 == 0o755 and entry.uid == entry.gid == 0


class Resolver:
    """Where a path really is, when some of the directories on its way are symlinks.

    Links out of /usr are left as they are: nothing of a package's may be placed through them.
    """

    def __init__(self, links: dict[str, str]) -> None:
        self._links = links
        self.followed: dict[str, str] = {}
        """The links that paths led through."""
        self._directories: dict[str, str] = {"": ""}

    def moved(self, entry: Entry) -> Entry:
        """The entry where it really is."""
        path = self.real_path(entry.path)
        return entry if path == entry.path else entry._replace(path=path)

    def real_path(self, path: str) -> str:
        directory, slash, name = path.rpartition("/")
        if not slash:
            return path
        real = self._real_directory(directory, 0)
        return path if real == directory else f"{real}/{name}" if real else name

    def _real_directory(self, directory: str, depth: int) -> str:
        known = self._directories.get(directory)
        if known is not None:
            return known
        parent, slash, name = directory.rpartition("/")
        real_parent = self._real_directory(parent, depth) if slash else ""
        real = f"{real_parent}/{name}" if real_parent else name
        target = self._links.get(real)
        if target is not None and depth < _LINKS_FOLLOWED:
            inside = _below_usr(real_parent, target)
            if inside is not None:
                self.followed[real] = target
                real = self._real_directory(inside, depth + 1) if inside else ""
        self._directories[directory] = real
        return real


def target_below_usr(path: str, target: str) -> str | None:
    """Where the symlink at `path` points, relative to /usr; None when it points out of it, or to /usr itself."""
    return _below_usr(path.rpartition("/")[0], target) or None


def _below_usr(directory: str, target: str) -> str | None:
    """Where a symlink in `directory` points, relative to /usr; None when it points out of it."""
    absolute = posixpath.normpath(posixpath.join("/usr", directory, target))
    if absolute.split("/")[1] in ROOT_LINKS:
        absolute = f"/usr{absolute}"
    if absolute == "/usr":
        return ""
    return absolute[len("/usr/") :] if absolute.startswith("/usr/") else None
