"""The switch: the new tree becomes /usr in one step, the old one is archived.

    before   /usr = 41             root/spare/usr = 42
    exchange /usr = 42             root/spare/usr = 41     <- the commit point
    archive  /usr = 42             root/41/usr

A crash between the last two leaves an archive under a wrong name. `settle_archives` looks at the
`.stateID` inside each and names it by that, so it does not matter how a tree got where it is.
"""

import os
from collections.abc import Callable

from moss.effects import Effects
from moss.errors import MossError
from moss.root import GenerationId, Root, generation_of_tree


def exchange(root: Root, holder: str, effects: Effects) -> None:
    """Let /usr and `holder`/usr change places, durably. Without a /usr, the tree just becomes it."""
    tree = os.path.join(holder, "usr")
    if not os.path.lexists(root.usr) or (os.path.isdir(root.usr) and not os.listdir(root.usr)):
        effects.rename(tree, root.usr)
    else:
        effects.exchange(tree, root.usr)
    effects.fsync(root.path)
    effects.fsync(holder)


def settle_archives(
    root: Root, spare: GenerationId | None, effects: Effects, is_known: Callable[[GenerationId], bool]
) -> None:
    """Give every tree in the archive the name of the generation it holds; empty holders go.

    `spare` is the generation that the clean spare tree still holds: that one belongs in `spare`. A tree under
    a number that says another one, which nobody knows or whose own tree is where it belongs, is damaged and stays.
    Nothing is synced: a name that a power cut takes back is given again by the next recovery.
    """
    while _settle_one(root, spare, effects, is_known):
        pass


def _settle_one(
    root: Root, spare: GenerationId | None, effects: Effects, is_known: Callable[[GenerationId], bool]
) -> bool:
    active = generation_of_tree(root.usr)
    for name in sorted(os.listdir(root.trees)):
        holder = os.path.join(root.trees, name)
        held = generation_of_tree(os.path.join(holder, "usr"))
        if held is None:
            if os.path.isdir(holder) and not os.listdir(holder):
                effects.rmdir(holder)
                return True
            continue
        proper = root.spare if held == spare else root.archive(held)
        if name.isdecimal() and not is_known(held):
            continue
        if generation_of_tree(os.path.join(proper, "usr")) == held:
            continue
        if holder != proper and held != active:
            _rename_holder(holder, proper, effects)
            return True
    return False


def _rename_holder(holder: str, archive: str, effects: Effects) -> None:
    if not os.path.lexists(archive):
        effects.rename(holder, archive)
        return
    if generation_of_tree(os.path.join(archive, "usr")) is not None:
        # Both say something: the other one is not where it belongs either, so they change places
        # and its own turn comes.
        effects.exchange(holder, archive)
    else:
        effects.rmdir(archive)
        effects.rename(holder, archive)


def refuse_foreign(root: Root) -> None:
    """Refuse a root whose /usr somebody else made, before the first file of moss's own is written there."""
    if os.path.lexists(root.state_directory) or not os.path.isdir(root.usr):
        return
    if os.listdir(root.usr):
        raise _foreign(root)


def _foreign(root: Root) -> MossError:
    return MossError(
        f"{root.usr} holds a system that moss did not make",
        because=["the first transaction would put it aside"],
        remedies=["use an empty directory: moss -D DIRECTORY …"],
    )


def check_switchable(root: Root, known: GenerationId | None) -> None:
    """Refuse a /usr that is not ours, or that cannot be exchanged with a tree below /.moss.

    `known` is the generation that the record says is active.
    """
    if not os.path.isdir(root.usr):
        if os.path.lexists(root.usr):
            raise MossError(f"{root.usr} is not a directory", remedies=["look at what it is, and move it away"])
        return
    live = generation_of_tree(root.usr)
    if live is None and (known is not None or os.listdir(root.usr)):
        if known is None:
            raise _foreign(root)
        raise MossError(
            f"{root.usr} does not say which generation it is, though generation {known} should be there",
            because=[f"{root.usr}/.stateID is missing or unreadable"],
            remedies=[f"write it back, if that is what /usr holds: echo {known} > {root.usr}/.stateID"],
        )
    if os.stat(root.usr).st_dev != os.stat(root.state_directory).st_dev:
        raise MossError(
            f"{root.usr} and {root.state_directory} are on different file systems",
            because=["a generation is switched by exchanging two directories, which works only within one"],
            remedies=["keep /usr and /.moss on one file system"],
        )
