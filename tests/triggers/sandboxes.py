"""Sandboxes over a small tree, and what is caught of what was written in them."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from moss.triggers.capture import Captured, capture
from moss.triggers.running import Ended, Job, run_all
from moss.triggers.sandbox import PARTS, Sandbox, enter
from moss.triggers.values import Handler, Run
from tests.triggers.shells import shell_files, write_files


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with a shell in it, and a file or two."""
    usr = tmp_path / "here: it, is" / "tree"
    factory = {"share/factory/etc/passwd": "root:x:0:0::/root:/bin/sh\n"}
    write_files({**shell_files(), **factory, "share/old/a": "a", "share/old/b": "b"}, usr)
    return usr


def sandbox(tree: Path, name: str = "one", before: Sequence[Sandbox] = ()) -> Sandbox:
    scratch = tree.parent / name
    for part in PARTS:
        (scratch / part).mkdir(parents=True)
    return Sandbox(str(tree.parent), tree.name, tuple(one.upper for one in before), name)


def shell(text: str) -> Run:
    return Run("/usr/bin/sh", ("-c", text))


def run(place: Sandbox, *handlers: Handler, timeout: float = 20.0) -> Ended:
    ends: list[Ended] = []
    run_all(["t"], {"t": frozenset()}, lambda _: Job("t", handlers, partial(enter, place), timeout), ends.append, 1)
    (end,) = ends
    if end.unable:
        pytest.fail(f"this machine can make no sandbox: {end.failure}")
    return end


def caught(place: Sandbox) -> Captured:
    owner = os.geteuid() or None
    upper, *below = (os.path.join(place.base, one) for one in (place.upper, *place.seen_before, place.tree))
    return capture(upper, below, "t", owner=owner)
