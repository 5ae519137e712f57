"""Every path that moss touches below a root, and the only place that joins them.

    ROOT/usr                         the active generation; `.stateID` in it says which
    ROOT/etc/moss/subscriptions/*.kdl  what the admin says that subscriptions mean
    ROOT/etc/moss/system-model.kdl   what the system should be, as text
    ROOT/.moss/db/moss.db            the record
    ROOT/.moss/db/repositories.db    what repositories offer: a cache
    ROOT/.moss/copy/moss.db          a copy of the record, as of the last upkeep
    ROOT/.moss/lock                  held while a transaction is under way; says by whom
    ROOT/.moss/keys/NAME             secret halves of keys that sign here (0600)
    ROOT/.moss/trust/NAME/…          what a repository has signed, as far as it was verified
    ROOT/.moss/assets/<2 hex>/…      the store
    ROOT/.moss/root/<generation>/usr archived generations, plain hard-linked trees
    ROOT/.moss/root/spare/usr        the tree that the next generation is made in
    ROOT/.moss/root/aside-<n>        what is no longer needed and cannot be removed yet
    ROOT/.moss/lost/<generation>/…   what did not belong in a tree and was taken out of it
    ROOT/.moss/triggers/NAME/…       where a trigger writes while it runs
    ROOT/.moss/image/…               what an image is made of, while it is made
    ROOT/.moss/rescue                a shell script that goes back where moss itself does not run
    ROOT/.moss/arriving              which files are on their way into the store
    ROOT/.moss/cache/…               fetched stones, compiled universes: can be thrown away
"""

import os
from typing import NewType

from solver.values import value

GenerationId = NewType("GenerationId", int)

STATE_FILE = ".stateID"
"""The file in each tree that says which generation it is; it travels with the tree."""

MODEL_FILE = ".system-model.kdl"
"""The file in each tree that says what its generation was to be: see moss/declared.py."""

DECLARED_ENTRIES = frozenset({STATE_FILE, MODEL_FILE})
"""Paths below /usr that are moss's own and no package's."""

ROOT_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Names at the top of a root that are links into /usr."""


@value
class Root:
    """A directory that holds a system: `/` on a running one. `path` is absolute."""

    path: str

    @classmethod
    def at(cls, directory: str) -> "Root":
        return cls(os.path.abspath(directory))

    def below(self, *parts: str) -> str:
        return os.path.join(self.path, *parts)

    @property
    def is_host(self) -> bool:
        """Whether this is the root of the running system."""
        return self.path == "/"

    @property
    def usr(self) -> str:
        return self.below("usr")

    @property
    def subscriptions(self) -> str:
        return self.below("etc", "moss", "subscriptions")

    @property
    def model_file(self) -> str:
        return self.below("etc", "moss", "system-model.kdl")

    @property
    def state_directory(self) -> str:
        return self.below(".moss")

    @property
    def database_directory(self) -> str:
        return self.below(".moss", "db")

    @property
    def database(self) -> str:
        return self.below(".moss", "db", "moss.db")

    @property
    def repository_cache(self) -> str:
        return self.below(".moss", "db", "repositories.db")

    @property
    def lock_file(self) -> str:
        return self.below(".moss", "lock")

    @property
    def store(self) -> str:
        return self.below(".moss", "assets")

    @property
    def arriving(self) -> str:
        return self.below(".moss", "arriving")

    @property
    def keys(self) -> str:
        return self.below(".moss", "keys")

    def trust_of(self, repository: str) -> str:
        """What is trusted of a repository: it belongs to no generation."""
        return self.below(".moss", "trust", repository)

    @property
    def trees(self) -> str:
        return self.below(".moss", "root")

    @property
    def spare(self) -> str:
        return self.below(".moss", "root", "spare")

    def aside(self, number: int) -> str:
        """Where a tree waits that is no longer needed and cannot be removed yet."""
        return self.below(".moss", "root", f"aside-{number}")

    @property
    def rescue(self) -> str:
        return self.below(".moss", "rescue")

    @property
    def cache(self) -> str:
        return self.below(".moss", "cache")

    @property
    def universes(self) -> str:
        return self.below(".moss", "cache", "universes")

    @property
    def downloads(self) -> str:
        return self.below(".moss", "cache", "downloads")

    @property
    def triggers(self) -> str:
        return self.below(".moss", "triggers")

    @property
    def image(self) -> str:
        return self.below(".moss", "image")

    @property
    def copies(self) -> str:
        return self.below(".moss", "copy")

    @property
    def record_copy(self) -> str:
        return self.below(".moss", "copy", "moss.db")

    @property
    def lost(self) -> str:
        return self.below(".moss", "lost")

    def archive(self, generation: GenerationId) -> str:
        return self.below(".moss", "root", str(generation))

    def archived_usr(self, generation: GenerationId) -> str:
        return self.below(".moss", "root", str(generation), "usr")


def root_of(path: str) -> Root | None:
    """The root whose archive an absolute path lies in; None where it lies in none."""
    above, found, _ = f"{path}/".partition("/.moss/root/")
    return Root(above or "/") if found else None


def generation_of_tree(usr: str) -> GenerationId | None:
    """Which generation the tree at this path says it is; None when it does not say."""
    try:
        # Bytes: after the exchange no codec may have to be imported from a Python that is gone.
        with open(os.path.join(usr, STATE_FILE), "rb") as state:
            text = state.read(32).strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return GenerationId(int(text)) if text.isdigit() else None


def generations_held(root: Root) -> dict[GenerationId, str]:
    """The trees there are besides the spare, by what they say and where they are."""
    found: dict[GenerationId, str] = {}
    for name in sorted(os.listdir(root.trees)) if os.path.isdir(root.trees) else ():
        usr = os.path.join(root.trees, name, "usr")
        held = generation_of_tree(usr)
        if held is not None and name == str(held):
            found[held] = usr
    live = generation_of_tree(root.usr)
    if live is not None:
        found[live] = root.usr
    return dict(sorted(found.items()))
