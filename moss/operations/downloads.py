"""What came over the network and waits in the cache: how long it is kept."""

import os
import re

from moss.db import candidates, packages
from moss.operations.system import System

_OURS = re.compile(r"[0-9a-f]{64}(\.part)?")


def drop_downloads(system: System) -> None:
    """Take away what the cache has of packages that are in the store, or that nobody offers any more."""
    try:
        names = os.listdir(system.root.downloads)
    except FileNotFoundError:
        return
    names = [name for name in names if _OURS.fullmatch(name)]
    digests = {name.partition(".")[0] for name in names}
    needed = candidates.digests_on_offer(system.offers, digests) - packages.digests_recorded(system.record, digests)
    for name in sorted(names):
        if name.partition(".")[0] not in needed:
            system.effects.unlink(os.path.join(system.root.downloads, name))
