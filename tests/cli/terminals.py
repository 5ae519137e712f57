"""moss in a process of its own: on a terminal made here, or with streams that are closed or full."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from typing import NamedTuple

from tests.conftest import PROJECT

PATIENCE = 30.0
"""Seconds after which a process that says nothing is taken for stuck."""


class Seen(NamedTuple):
    exit_code: int
    screen: str
    """Everything the terminal got, with its escape sequences."""

    @property
    def plain(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*[mK]", "", self.screen).replace("\r\n", "\n")


def environment(**more: str) -> dict[str, str]:
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "LANG", "PYTHONPYCACHEPREFIX")
        if name in os.environ
    }
    return kept | {"PYTHONPATH": str(PROJECT), "TERM": "xterm", "TZ": "UTC", "PYTHONUTF8": "1"} | more


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "moss", *map(str, arguments)]


def on_a_terminal(
    arguments: Sequence[str], *, answers: Sequence[tuple[str, str]] = (), columns: int = 80, **variables: str
) -> Seen:
    """Run on a terminal of its own. `answers` are pairs: wait until this is seen, then type that."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        command(*arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(**variables),
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    screen = b""
    waiting = list(answers)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 0.2)[0]:
            continue
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says EIO when the last process has left the terminal
            break
        if not piece:
            break
        screen += piece
        if waiting and waiting[0][0].encode() in screen:
            os.write(ours, waiting.pop(0)[1].encode())
    else:
        process.kill()
    os.close(ours)
    return Seen(process.wait(PATIENCE), screen.decode())
