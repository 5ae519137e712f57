"""Triggers that write until nothing more fits: the change ends, the room comes back, and the system is as before."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trees import differences
from tests.triggers.shells import needs_busybox
from tests.triggers.worlds import World, failing

pytestmark = [needs_busybox, pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small file system")]

FILLING = """
name: failing
handlers:
    fill: {run: /usr/bin/sh, args: [-c, 'busybox dd if=/dev/zero of=/usr/share/big bs=64k END']}
paths: {/usr/share/items/*: {handlers: [fill]}}
"""
SCRIPT = """
set -e
mount -t tmpfs -o size=24m small {place}
cp -a {root} {place}/root
free() {{ df --output=avail {place} | tail -n 1; }}
before=$(free)
set +e
{moss} -D {place}/root -y --json install failing {more}
echo "CODE $?"
set -e
echo "USED $((before - $(free)))"
cp -a {place}/root {seen}
"""


@pytest.mark.parametrize(
    ("end", "code", "words"),
    [
        ("", 12, "the trigger failing failed: /usr/bin/sh -c"),
        ("|| true", 9, "no space"),
        ("--isolation chroot", 12, "the trigger failing failed: /usr/bin/sh -c"),
    ],
)
def test_one_that_fills_the_disk_stops_the_change(
    world: World, tmp_path: Path, end: str, code: int, words: str
) -> None:
    more = end if end.startswith("--") else ""
    own = failing(world, tmp_path, FILLING.replace("END", end if not more else ""))
    for name in ("small", "seen"):
        (tmp_path / name).mkdir()
    script = SCRIPT.format(
        place=tmp_path / "small", root=own.root, seen=tmp_path / "seen", moss=f"{sys.executable} -m moss", more=more
    )
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False)
    said, _, rest = done.stdout.partition("CODE ")
    ended, used = rest.split("USED ")
    fault = json.loads(said)["error"]
    assert int(ended) == code and words in fault["message"], (done.stdout, done.stderr)
    if code == 12:
        assert any("No space left on device" in line for line in fault["because"])
    assert int(used) < 1024, "in KiB"
    seen = tmp_path / "seen/root"
    assert differences(seen) == [] and (seen / "usr/.stateID").read_text() == "1\n"
    assert not (seen / ".moss/triggers").exists() and not (seen / ".moss/arriving").exists()
