"""Every operation that changes something, and the histories that lead it down every path.

To cover a new operation, add a row to OPERATIONS; to reach a new path, a function to the histories.
`python -m tests.crash.sweep` runs them all.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.crash.world import BOOT, BY_HAND, Place, copy_tree
from tests.debian.indexes import Packaged, mirror
from tests.simulator import Server
from tests.triggers.shells import BUSYBOX

History = Callable[[Place], None]


def nothing(place: Place) -> None:
    """A repository, and no root yet."""
    place.publish("tool-1", "more-1", "other-1", "linker-1", "last-1")


def offered(place: Place) -> None:
    """A repository is known, and there is no generation."""
    nothing(place)
    place.moss("repo", "add", "main", str(place.packages / "stone.index"), "--unsigned")


def served(place: Place) -> None:
    """A server offers the packages, and an update of two that are installed; it serves while this process lives."""
    nothing(place)
    server = Server(place.packages).__enter__()
    place.moss("repo", "add", "main", server.uri("stone.index"), "--unsigned")
    place.install("tool", "more")
    place.publish("tool-2", "more-2")


def mirrored(place: Place) -> None:
    """A Debian mirror besides, whose index has changed since it was read."""
    several(place)
    old = [Packaged("tool"), Packaged("more", fields="Depends: tool\n")]
    folder = mirror(place.packages / "mirror", old, with_pool=False)
    place.moss("repo", "add", "debian", f"apt+file:{folder}")
    mirror(folder, [Packaged("tool", "2.0-1"), *old[1:], Packaged("other")], with_pool=False)


def one(place: Place) -> None:
    """One generation."""
    offered(place)
    place.install("tool")


def several(place: Place) -> None:
    """Three generations, no spare, an update on offer."""
    one(place)
    place.install("more")
    place.install("other")
    place.publish("tool-2", "more-2")


def spare(place: Place) -> None:
    """Three generations kept, and a clean spare."""
    one(place)
    place.moss("state", "prune", "--keep", "3", "--remember", "-y")
    for name in ("more", "other", "last"):
        place.install(name)
    assert (place.root / ".moss/root/spare").is_dir()
    place.publish("tool-2", "more-2")


def busy(place: Place) -> None:
    """The spare is in use by a process."""
    spare(place)
    place.held = ".moss/root/spare/usr"


def updated(place: Place) -> None:
    """After an update: the spare and the older generations hold the old version."""
    spare(place)
    place.moss("update", "-y")


def rolled_back(place: Place) -> None:
    """After an update and a rollback: the newest generation is not the active one."""
    updated(place)
    place.moss("rollback", "-y")


def wished(place: Place) -> None:
    """A person has edited the model, and nothing has followed it yet."""
    spare(place)
    file = place.root / "etc/moss/system-model.kdl"
    file.write_text(file.read_text().replace("packages {\n", f"packages {{\n    linker {BY_HAND}\n"))


def edited(place: Place) -> None:
    """The admin has changed one copied file and deleted another, and has files of their own."""
    spare(place)
    place.write("etc/tool.conf", "mine\n")
    (place.root / "etc/tool.d/old").unlink()
    place.write("etc/own", "own\n")
    place.write("etc/tool.d/own", "own\n")


def stray(place: Place) -> None:
    """A foreign file is in the live tree, another in an archived one, and a file is damaged."""
    spare(place)
    place.write("usr/share/foreign", "foreign\n")
    place.write(".moss/root/3/usr/bin/more", "changed\n")


def linked(place: Place) -> None:
    """A directory link stands where packages have directories."""
    spare(place)
    place.install("linker")


def retiring(place: Place) -> None:
    """More generations than will be kept from now on, one of them kept by name."""
    several(place)
    for name in ("last", "linker"):
        place.install(name)
    place.moss("state", "keep", "2", "second")
    place.moss("repo", "update")


def pinned(place: Place) -> None:
    """A package is pinned and held."""
    spare(place)
    place.moss("pin", "-y", "tool")
    place.moss("hold", "-y", "tool")


def subscribed(place: Place) -> None:
    """The admin has defined what a subscription brings and which paths it is about; it is off."""
    definition = 'subscription "links" { default #false; want "linker"; paths "share/tool/**" }'
    place.write("etc/moss/subscriptions/links.kdl", definition)
    spare(place)


def unsubscribed(place: Place) -> None:
    """A subscription keeps a package, and paths, that it will let go of."""
    subscribed(place)
    place.moss("subscribe", "links", "-y")


def triggered(place: Place) -> None:
    """A trigger has something to say about every program."""
    offered(place)
    place.publish("shell-1", "maker-1")
    place.moss("repo", "update")
    place.install("tool", "shell", "maker")
    place.moss("state", "prune", "--keep", "2", "--remember", "-y")
    for name in ("more", "other"):
        place.install(name)


def damaged(place: Place) -> None:
    """The disk has failed here and there: in the store, in the live tree and in archived ones."""
    spare(place)
    with open(place.root / "usr/share/tool/notes", "r+") as stored:  # the inode that the store and all trees have
        stored.write("T")
    place.write("usr/bin/last", "another\n")
    (place.root / asset_of(place.root, "usr/share/other/big")).unlink()
    (place.root / "usr/share/other/closed").chmod(0o755)
    (place.root / ".moss/root/3/usr/lib/tool/deep/file").unlink()
    (place.root / ".moss/root/2/usr/.stateID").unlink()
    place.damaged = True


def asset_of(root: Path, path: str) -> Path:
    """The store's name of a file in a tree."""
    inode = (root / path).stat().st_ino
    return next(one for one in (root / ".moss/assets").rglob("*") if one.stat().st_ino == inode)


def lost_tree(place: Place) -> None:
    """An archived tree is gone."""
    several(place)
    shutil.rmtree(place.root / ".moss/root/2/usr")
    place.damaged = True


def keyed(place: Place) -> None:
    """One key signs here, and somebody's is trusted."""
    several(place)
    place.moss("key", "make", "own")
    place.moss("key", "pin", "theirs", "moss-key-1:" + "d7" * 32)


def signed(place: Place) -> None:
    """What is offered is signed, a root is pinned here, and there is news of which this system does not know."""
    several(place)
    place.moss("key", "make", "own")
    place.moss("index", str(place.packages), "--key", "own")
    place.moss("repo", "trust", "main", "--trust", str(place.packages / "tuf/1.root.json"))
    place.publish("linker-1", "left-1", "right-1")
    place.moss("key", "make", "new")
    place.moss("trust", "rotate", str(place.packages), "--key", "own", "--key", "new", "--add", "all=new")
    place.moss("index", str(place.packages), "--key", "own")


def bundled(place: Place) -> None:
    """What another system, which was like this one and was updated since, has exported for it."""
    spare(place)
    receipt = place.folder / "receipt"
    place.moss("receipt", "-o", str(receipt))
    other = Place(place.folder / "other")
    other.folder.mkdir()
    copy_tree(place.root, other.root)
    other.moss("update", "-y")
    other.install("linker")
    other.moss("export", "--for", str(receipt), "-o", str(place.folder / "bundle"))


def bundled_signed(place: Place) -> None:
    """What another system exported that uses the same signed repository and has seen more of it."""
    signed(place)
    other = Place(place.folder / "other")
    other.folder.mkdir()
    copy_tree(place.root, other.root)
    other.moss("update", "-y")
    other.install("left")
    other.moss("export", "--key", "own", "-o", str(place.folder / "bundle"))


def bootable(place: Place) -> None:
    """Two generations with a kernel and a loader, an update of both on offer, and a boot partition that is empty."""
    offered(place)
    place.publish("linux-1")
    place.moss("repo", "update")
    place.install("linux")
    place.install("more")
    place.publish("linux-2", "more-2")
    (place.root / BOOT).mkdir()


def with_menu(place: Place) -> None:
    """The same with a boot menu."""
    bootable(place)
    place.moss("boot", "sync", "--esp", str(place.root / BOOT), "-y")


def interrupted(
    words: list[str], phase: str, kind: str, within: str = "", nth: int = 0, after: History = spare
) -> History:
    """A history that ends with an interrupted command."""

    def history(place: Place) -> None:
        after(place)
        place.stop(words, phase, kind, within, nth)

    history.__doc__ = f"{' '.join(words)!r} was stopped at {kind} {within} ({phase})."
    return history


INTERRUPTED: dict[str, History] = {
    "stopped staging": interrupted(["install", "-y", "linker"], "staging", "syncfs"),
    "stopped making": interrupted(["update", "-y"], "making", "link", nth=1),
    "stopped making in full": interrupted(["update", "-y"], "making", "link", nth=5, after=several),
    "stopped before the switch": interrupted(["update", "-y"], "making", "commit_point", "ready to switch"),
    "stopped after the switch": interrupted(["update", "-y"], "switching", "exchange"),
    "stopped archiving": interrupted(["update", "-y"], "switched", "rename"),
    "stopped in /etc": interrupted(["update", "-y"], "switched", "rename_no_replace", "/etc/", after=edited),
    "stopped in a rollback": interrupted(["rollback", "-y"], "switching", "exchange", after=updated),
    "stopped in the first": interrupted(["install", "-y", "tool"], "switching", "rename", after=offered),
    "stopped retiring": interrupted(["update", "-y"], "done", "commit_point", "generation retired"),
    "stopped giving up": interrupted(["state", "prune", "--keep", "1", "-y"], "alone", "unlink", nth=6, after=updated),
}
HISTORIES: dict[str, History] = {
    "served": served, "mirrored": mirrored,
    "nothing": nothing, "offered": offered, "one": one, "several": several, "spare": spare, "busy spare": busy,
    "updated": updated, "wished": wished, "rolled back": rolled_back, "edited": edited, "stray": stray,
    "linked": linked, "retiring": retiring, "pinned": pinned, "subscribed": subscribed,
    "unsubscribed": unsubscribed, "damaged": damaged, "lost tree": lost_tree,
    "keyed": keyed, "signed": signed, "bundled": bundled, "bundled signed": bundled_signed,
    **({"triggered": triggered} if BUSYBOX is not None else {}), **INTERRUPTED,
}  # fmt: skip


MENUS: dict[str, History] = {
    "bootable": bootable,
    "stopped after the menu": interrupted(
        ["update", "-y"], "making", "commit_point", "ready to switch", after=with_menu
    ),
}
"""Those with a boot menu, for the power cuts; tests/boot/test_crashes.py stops everything that changes one."""


class Operation(NamedTuple):
    """A command, and the histories after which it is stopped everywhere."""

    name: str
    words: tuple[str, ...]
    histories: tuple[str, ...]


ROOT = "{packages}/tuf/1.root.json"
"""The root that is pinned, where what is offered is signed."""

RECOVER = ("repo", "remove", "there-is-none")
"""The next command, whatever was stopped: it opens the system to change it, so it recovers, and changes nothing."""

TRIAL = "test -e /usr/bin/last && echo x > /etc/tried"

OPERATIONS = (
    Operation("install", ("install", "-y", "tool"), ("offered",)),
    Operation("install", ("install", "-y", "linker"), ("one", "spare", "busy spare", "edited")),
    Operation("remove", ("remove", "-y", "more"), ("several", "spare", "linked", "rolled back")),
    Operation("update", ("update", "-y"), ("several", "spare", "busy spare", "edited", "stray", "linked")),
    Operation("update from a server", ("update", "-y"), ("served",)),
    Operation("update at boot", ("update", "-y", "--at-boot"), ("several", "spare")),
    Operation("sync", ("sync", "-y"), ("wished",)),
    Operation("pin", ("pin", "-y", "tool"), ("spare",)),
    Operation("hold", ("hold", "-y", "tool"), ("spare",)),
    Operation("unpin", ("unpin", "-y", "tool"), ("pinned",)),
    Operation("unhold", ("unhold", "-y", "tool"), ("pinned",)),
    Operation("subscribe", ("subscribe", "-y", "links"), ("subscribed",)),
    Operation("unsubscribe", ("unsubscribe", "-y", "links"), ("unsubscribed",)),
    Operation("sync --from", ("sync", "--from", "{packages}/../bundle", "--unsigned", "-y"), ("bundled",)),
    Operation("sync --from signed", ("sync", "--from", "{packages}/../bundle", "-y"), ("bundled signed",)),
    Operation("activate", ("state", "activate", "3", "-y"), ("updated", "linked")),
    Operation("rollback", ("rollback", "-y"), ("updated", "rolled back", "wished")),
    Operation("rollback at boot", ("rollback", "-y", "--at-boot"), ("updated",)),
    Operation("prune", ("state", "prune", "--keep", "1", "-y"), ("several", "updated")),
    Operation("prune --remember", ("state", "prune", "--keep", "2", "--remember", "-y"), ("retiring",)),
    Operation("state remove", ("state", "remove", "1", "3", "-y"), ("retiring",)),
    Operation("keep", ("state", "keep", "2", "mine"), ("several",)),
    Operation("unkeep", ("state", "unkeep", "2"), ("retiring",)),
    Operation("undo", ("undo", "4", "-y"), ("updated", "rolled back")),
    Operation("repo add", ("repo", "add", "again", "{packages}/stone.index", "--unsigned"), ("nothing", "spare")),
    Operation("repo update", ("repo", "update"), ("several", "signed", "mirrored")),
    Operation("repo add --trust", ("repo", "add", "again", "{packages}/stone.index", "--trust", ROOT), ("signed",)),
    Operation("repo trust", ("repo", "trust", "main", "--trust", "{packages}/tuf/2.root.json"), ("signed",)),
    Operation("repo trust --unsigned", ("repo", "trust", "main", "--unsigned"), ("signed",)),
    Operation("repo disable", ("repo", "disable", "main"), ("several",)),
    Operation("repo enable", ("repo", "enable", "main"), ("several",)),
    Operation("repo priority", ("repo", "priority", "main", "5"), ("several",)),
    Operation("repo remove", ("repo", "remove", "main"), ("spare", "signed")),
    Operation("cache clean", ("cache", "clean", "-y"), ("spare", "stopped staging")),
    Operation("verify --fix", ("verify", "--fix", "-y"), ("stray", "damaged", "lost tree")),
    Operation("key make", ("key", "make", "mine"), ("several",)),
    Operation("key pin", ("key", "pin", "friend", "moss-key-1:" + "e8" * 32), ("several",)),
    Operation("key remove", ("key", "remove", "own", "-y"), ("keyed",)),
    *(
        (
            Operation("install with triggers", ("install", "-y", "last"), ("triggered",)),
            Operation("try", ("try", "install", "last", "--", "/usr/bin/sh", "-c", TRIAL), ("triggered",)),
        )
        if BUSYBOX is not None
        else ()
    ),
    Operation("recovery", RECOVER, tuple(INTERRUPTED)),
)
