"""What keeps a trigger from running."""

import os

from moss.triggers.values import Inhibitors

_LIVE_MARKS = ("/run/live/medium", "/run/initramfs/live", "/run/archiso")


def inhibitor(inhibitors: Inhibitors, root: str, usr: str) -> str | None:
    """What of it holds, in a few words; None where nothing does. `usr` is the tree that counts as the root's /usr."""
    for path in inhibitors.paths:
        place = os.path.join(usr, path[5:]) if path.startswith("/usr/") else os.path.join(root, path.lstrip("/"))
        if os.path.lexists(place):
            return f"{path} is there"
    holds = {"chroot": root != "/", "container": root == "/" and _in_container(), "live": root == "/" and _is_live()}
    return next((f"the environment is {word}" for word in inhibitors.environment if holds[word]), None)


def _in_container() -> bool:
    # As systemd tells it to everybody; the others leave marks of their own.
    return any(map(os.path.exists, ("/run/systemd/container", "/run/.containerenv", "/.dockerenv")))


def _is_live() -> bool:
    return any(map(os.path.exists, _LIVE_MARKS))
