"""Files on their way into the store: their names are on disk before them, so that nothing stays of what is interrupted.

    ROOT/.moss/arriving    names in the store, a line each

The list is durable before the first of the files is written, and goes when all of them are on record. Where a
command ended before that, its undoing, or the next command, takes away those of the files that are not: what that
costs follows their number and not the store's.
"""

import os
import re
from collections.abc import Iterable, Iterator
from functools import partial

from moss.at_once import do_all
from moss.db import cuts
from moss.db.connection import Database
from moss.digest import EMPTY_CONTENT, ContentDigest
from moss.effects import Effects
from moss.root import Root
from moss.store import Store, asset_name

_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}(\.[0-9a-f]+)*")
_LINES_AT_ONCE = 2000


def expect(root: Root, database: Database, effects: Effects) -> None:
    """Write down what the store lacks, as `moss.db.cuts.lacking` has it: it may be written from here on."""
    names = (asset_name(asset) for asset, _ in cuts.lacking(database) if asset.digest != EMPTY_CONTENT)
    first = next(names, None)
    if first is not None:
        effects.replace_file(root.arriving, _lines([*_expected(root), first], names), mode=0o600)


def have_arrived(root: Root, effects: Effects) -> None:
    """All of them are on record. A power cut may bring the list back; then it says nothing that is not so."""
    if os.path.lexists(root.arriving):
        effects.unlink(root.arriving)


def take_away(root: Root, database: Database, effects: Effects) -> None:
    """Take away those of the files that were expected and are not on record. No transaction may be under way."""
    if not os.path.lexists(root.arriving):
        return
    expected = _expected(root)
    digests = {ContentDigest(bytes.fromhex(name[3:35])) for name in expected}
    present = {asset_name(asset) for digest in digests for asset in cuts.stored_with_content(database, digest)}
    with Store(root.store, effects) as store:

        def remove(name: str) -> None:
            if os.access(name, os.F_OK, dir_fd=store.fd, follow_symlinks=False):
                effects.unlink(name, dir_fd=store.fd)

        going = [name for name in expected if name not in present]
        do_all((partial(remove, name) for name in going), effects.threads)
        if going:
            effects.syncfs(store.fd)
    effects.unlink(root.arriving)


def _expected(root: Root) -> list[str]:
    try:
        with open(root.arriving, encoding="ascii", errors="replace") as file:
            return [line for line in file.read().splitlines() if _NAME.fullmatch(line)]
    except FileNotFoundError:
        return []


def _lines(first: list[str], names: Iterable[str]) -> Iterator[bytes]:
    block = first
    for name in names:
        block.append(name)
        if len(block) >= _LINES_AT_ONCE:
            yield "".join(f"{one}\n" for one in block).encode()
            block = []
    yield "".join(f"{one}\n" for one in block).encode()
