"""A crash at any effect, and applying again, is as applying once."""

import itertools
import os
import shutil
from pathlib import Path

import pytest

from moss.local import Why, apply_local_changes, propose_local_changes
from moss.local.skeleton import apply_skeleton, propose_skeleton
from moss.observed_effects import Moment, ObservedEffects

IS_ROOT = os.geteuid() == 0


class Crash(Exception):
    pass


class Crashing(ObservedEffects):
    """Stops at the n-th observation and lets nothing more happen, cleaning up included."""

    def __init__(self, at: int | None, apply_owners: bool = IS_ROOT) -> None:
        super().__init__(apply_owners=apply_owners)
        self.at = at
        self.seen: list[tuple[str, str, str]] = []

    def observe(self, moment: Moment, kind: str, target: str) -> None:
        if self.at is not None and len(self.seen) >= self.at:
            raise Crash
        self.seen.append((moment, kind, target))


def two_generations(system) -> None:
    """The first generation applied, the second in place: every kind of change lies between them."""
    system.ship("share/factory/etc/passwd", "root:*:0:0:root:/root:/bin/sh\n")
    system.ship("share/factory/etc/group", "root:*:0:\nwheel:*:10:\n")
    shipped = system.ship("share/factory/etc/app.d/follows", "old")
    system.ship("share/factory/etc/app.d/withdrawn", "old")
    system.ship("share/factory/etc/app.d/edited", "old")
    system.ship("share/factory/etc/app.d/deleted", "old")
    system.sysusers("u first -")
    lines = ["C /etc/app.d", "d /var/lib/app 0755", "d /etc/dir 0755 first"]
    system.tmpfiles(
        *lines,
        *("L /etc/link - - - - old", "f /etc/file-to-dir", "d /etc/dir-to-link", "L /etc/link-to-file"),
        *("f /etc/gone/deep/x", "d /etc/gone", "d /etc/gone/deep"),
    )
    system.apply()
    system.have("var/lib/app/state", mode=0o600)
    system.have("etc/app.d/edited", "mine")
    (system.root / "etc/app.d/deleted").unlink()
    shipped.write_text("new")
    (system.usr / "share/factory/etc/app.d/withdrawn").unlink()
    system.ship("share/factory/etc/new.d/file", "new", 0o600)
    system.sysusers("u first -", "u second -", "m first wheel", "g third -")
    system.tmpfiles(
        *("C /etc/app.d", "C /etc/new.d", "d /var/lib/app 0700 second second"),
        *("d /etc/dir 0700 second third", "z /var/lib/app/state 0640"),
        *("Z /var/lib/app 0750 second", "L /etc/link - - - - new", "d /etc/file-to-dir 0711 first"),
        *("L /etc/dir-to-link - first - - x", "f /etc/link-to-file 0640 - third - text", "d /etc/a/b/c"),
    )


def run_to(
    root: Path, usr: Path, recorded: dict[str, str], at: int | None
) -> tuple[Crashing, dict[str, str]]:
    effects = Crashing(at)
    changes = propose_local_changes(str(root), str(usr), recorded, apply_owners=IS_ROOT)
    return effects, apply_local_changes(changes, str(root), effects)


def copy_of(root: Path, to: Path) -> Path:
    os.system(f"cp -a '{root}' '{to}'")
    return to


def test_a_crash_at_any_effect_and_applying_again_is_as_applying_once(system, tmp_path):
    two_generations(system)
    before, recorded = copy_of(system.root, tmp_path / "before"), system.recorded
    whys = {change.why for change in system.propose().changes}
    assert whys == set(Why)
    effects, expected_record = run_to(system.root, system.usr, recorded, None)
    expected = system.listing()
    assert len(effects.seen) > 100
    for at in (*range(0, len(effects.seen), 2), len(effects.seen) - 1):  # before each effect, after the last
        shutil.rmtree(system.root)
        copy_of(before, system.root)
        with pytest.raises(Crash):
            run_to(system.root, system.usr, recorded, at)
        edited = system.root / "etc/app.d/edited"
        assert edited.read_text() == "mine"
        _, again = run_to(system.root, system.usr, recorded, None)
        place = effects.seen[at]
        assert system.listing() == expected, place
        assert again == expected_record, place


def test_a_second_crash_while_applying_again_is_survived_too(system, tmp_path):
    two_generations(system)
    before, recorded = copy_of(system.root, tmp_path / "before"), system.recorded
    effects, _ = run_to(system.root, system.usr, recorded, None)
    expected = system.listing()
    step = len(effects.seen) // 4
    for first, second in itertools.product(range(0, len(effects.seen), step), repeat=2):
        shutil.rmtree(system.root)
        copy_of(before, system.root)
        for at in (first, second):
            try:
                run_to(system.root, system.usr, recorded, at)
            except Crash:
                pass
        run_to(system.root, system.usr, recorded, None)
        assert system.listing() == expected, (first, second)


def test_nothing_is_renamed_into_place_before_it_is_synced_and_all_is_synced_at_the_end(system):
    two_generations(system)
    effects, _ = run_to(system.root, system.usr, system.recorded, None)
    done = [(kind, target) for moment, kind, target in effects.seen if moment == "after"]
    synced = [at for at, (kind, _) in enumerate(done) if kind == "syncfs"]
    made = [at for at, (kind, target) in enumerate(done) if kind == "write" and ".moss-new/" in target]
    placed = [at for at, (kind, target) in enumerate(done) if "/.moss-new/" in target and " -> " in target]
    assert len(synced) == 2
    assert max(made) < synced[0] < min(placed)
    assert synced[1] == len(done) - 1


def test_a_skeleton_survives_a_crash_at_any_effect(system):
    effects = Crashing(None)
    apply_skeleton(propose_skeleton(str(system.root), str(system.usr)), str(system.root), effects)
    assert effects.seen[-1] == ("after", "syncfs", str(system.root))
    expected = system.listing()
    for at in range(len(effects.seen)):
        shutil.rmtree(system.root)
        with pytest.raises(Crash):
            apply_skeleton(
                propose_skeleton(str(system.root), str(system.usr)), str(system.root), Crashing(at)
            )
        apply_skeleton(
            propose_skeleton(str(system.root), str(system.usr)), str(system.root), Crashing(None)
        )
        assert system.listing() == expected
