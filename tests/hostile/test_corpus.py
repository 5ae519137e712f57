"""Malicious files, one for each kind of attack: each is refused in words, or does nothing that others see.

None writes outside its place, none takes more than 256 MiB or 10 s, none has a control character printed.
The quick tests take every twelfth, and all with MOSS_SLOW=1.
"""

import os
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.hostile import debs, documents, releases, stones
from tests.hostile.world import MOST_MEMORY, MOST_SECONDS, Attack, World

ATTACKS = [*stones.attacks(), *debs.attacks(), *documents.attacks(), *releases.attacks()]
CHOSEN = ATTACKS if os.environ.get("MOSS_SLOW") else ATTACKS[::12]
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def test_there_are_enough_of_them_and_each_is_another() -> None:
    assert len(ATTACKS) >= 60
    assert len(set(map(str, ATTACKS))) == len(ATTACKS)
    kinds = Counter(attack.kind for attack in ATTACKS)
    assert set(kinds) == {"stone", "index", "bundle", "deb", "Packages", "InRelease", "TUF", "receipt", "root index"}
    assert min(kinds.values()) >= 4, kinds


@pytest.mark.slow_too
@pytest.mark.parametrize("attack", CHOSEN, ids=str)
def test_an_attack_comes_to_nothing(tmp_path: Path, attack: Attack) -> None:
    if attack.kind == "InRelease" and shutil.which("gpg") is None:
        pytest.skip("gpg is not installed")
    world = World(tmp_path / "world")
    words = attack.prepare(world)
    before = world.around()
    ended = world.moss(*words)
    print(attack, ended.code, ended.memory >> 20, round(ended.seconds, 1))
    told = f"{ended.code}, {ended.memory >> 20} MiB, {ended.seconds:.1f} s: {ended.out[-500:]}{ended.err[-1500:]}"
    assert ended.code in attack.codes, told
    assert "Traceback" not in ended.err, told
    assert ended.code == 0 or "error: " in ended.err, told
    assert not _CONTROL.search(ended.out + ended.err), repr(ended)
    assert ended.memory <= MOST_MEMORY, told
    assert ended.seconds <= MOST_SECONDS, told
    after = world.around()
    if not attack.stays_out and ended.code == 0:
        before, after = (_outside_root(one) for one in (before, after))
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert {path for path in changed if path.split("/")[0] != "made"} <= {"root"}, told


def _outside_root(found: dict[str, object]) -> dict[str, object]:
    return {path: what for path, what in found.items() if not path.startswith("root/")}
