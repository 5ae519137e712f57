"""verify finds every kind of damage there is, and --fix mends it from wherever another copy is."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from moss.cli.main import main
from moss.effects import Effects
from moss.errors import MossError
from moss.operations.mending import mend, propose_mending
from moss.operations.system import default_effects, open_to_change
from moss.operations.verify import verify
from tests.builders import snapshot
from tests.machine import Machine, copied, flip, hide
from tests.machine import machine as machine
from tests.machine import template as template
from tests.transactions import crash_at
from tests.trees import differences

AS_ROOT = os.geteuid() == 0
STEP = 1 if os.environ.get("MOSS_SLOW") else 13


def store_flipped(machine: Machine) -> None:
    flip(machine.stored("share/tool/notes"))


def store_cut(machine: Machine) -> None:
    os.truncate(machine.stored("share/big"), 10)


def store_gone(machine: Machine) -> None:
    machine.stored("share/big").unlink()


def store_gone_everywhere(machine: Machine) -> None:
    machine.stored("share/big").unlink()
    for usr in (machine.usr, machine.archive(1), machine.archive(2)):
        (usr / "share/big").unlink()


def store_opened(machine: Machine) -> None:
    machine.stored("bin/suid").chmod(0o4777)


def store_directory(machine: Machine) -> None:
    place = machine.stored("bin/tool")
    place.unlink()
    place.mkdir()
    (place / "x").write_text("x")


def store_stray(machine: Machine) -> None:
    (machine.root / ".moss/assets/00").mkdir(exist_ok=True)
    (machine.root / ".moss/assets/00" / ("00" * 16)).write_text("nothing's")


def live_stray(machine: Machine) -> None:
    (machine.usr / "bin/own").mkdir()
    (machine.usr / "bin/own/script").write_text("mine")


def live_replaced(machine: Machine) -> None:
    (machine.usr / "bin/tool").unlink()
    (machine.usr / "bin/tool").write_text("evil")
    (machine.usr / "bin/tool").chmod(0o755)


def live_missing(machine: Machine) -> None:
    shutil.rmtree(machine.usr / "lib/deep")
    (machine.usr / "share/tool/empty").unlink()


def live_link(machine: Machine) -> None:
    (machine.usr / "share/tool/link").unlink()
    (machine.usr / "share/tool/link").symlink_to("/etc/shadow")


def live_modes(machine: Machine) -> None:
    (machine.usr / "lib/own").chmod(0o777)
    (machine.usr / "share/tool/empty").chmod(0o644)


def live_types(machine: Machine) -> None:
    (machine.usr / "bin/tool").unlink()
    (machine.usr / "bin/tool").mkdir()
    shutil.rmtree(machine.usr / "lib/deep")
    (machine.usr / "lib/deep").write_text("a file")


def live_pipe(machine: Machine) -> None:
    (machine.usr / "share/big").unlink()
    os.mkfifo(machine.usr / "share/big")


def archived_file(machine: Machine) -> None:
    (machine.archive(1) / "bin/tool").unlink()
    (machine.archive(1) / "stray").write_text("stray")


def archived_tree(machine: Machine) -> None:
    shutil.rmtree(machine.archive(1))


def archived_holder(machine: Machine) -> None:
    shutil.rmtree(machine.archive(2).parent)


def archived_number(machine: Machine) -> None:
    (machine.archive(1) / ".stateID").unlink()


def archived_number_flipped(machine: Machine) -> None:
    (machine.archive(1) / ".stateID").write_text("77\n")


def archived_number_doubled(machine: Machine) -> None:
    (machine.archive(1) / ".stateID").write_text("2\n")


def live_number(machine: Machine) -> None:
    (machine.usr / ".stateID").unlink()


def archived_model(machine: Machine) -> None:
    (machine.archive(2) / ".system-model.kdl").unlink()


def live_model(machine: Machine) -> None:
    (machine.usr / ".system-model.kdl").write_text("packages {\n    other\n}\n")


def live_model_replaced(machine: Machine) -> None:
    (machine.usr / ".system-model.kdl").unlink()
    (machine.usr / ".system-model.kdl").mkdir()


def live_tree(machine: Machine) -> None:
    shutil.rmtree(machine.usr)


def attributes(machine: Machine) -> None:
    os.setxattr(machine.stored("bin/suid"), "user.note", b"x")
    os.setxattr(machine.usr / "share/tool/empty", "user.note", b"x")


def owners(machine: Machine) -> None:
    os.chown(machine.usr / "lib/own", 1234, 1234)
    os.chown(machine.stored("bin/suid"), 1234, 1234)
    os.lchown(machine.usr / "share/tool/link", 1234, 1234)


DAMAGES: dict[str, tuple[Callable[[Machine], None], str]] = {
    "a flipped bit in the store": (store_flipped, "other content than was installed"),
    "a file of the store cut short": (store_cut, "other content than was installed"),
    "a file of the store gone": (store_gone, "Store: "),
    "a file gone from store and trees": (store_gone_everywhere, "/usr/share/big is missing"),
    "a mode of the store opened": (store_opened, "has mode 4777 and should have 4755"),
    "a directory in the store's place": (store_directory, "is a directory, which it should not be"),
    "a file of nothing in the store": (store_stray, "1 file of no package"),
    "something foreign in /usr": (live_stray, "/usr/bin/own belongs to no package"),
    "a file replaced by another": (live_replaced, "/usr/bin/tool has other content"),
    "files and a directory gone": (live_missing, "/usr/lib/deep is missing"),
    "a link that points elsewhere": (live_link, "/usr/share/tool/link points to '/etc/shadow'"),
    "modes of directories and empty files": (live_modes, "/usr/lib/own has mode 0777"),
    "a directory for a file and a file for a directory": (live_types, "/usr/lib/deep is a file, which it should not"),
    "a pipe": (live_pipe, "is a pipe"),
    "an archived tree damaged": (archived_file, "Generation 1 (archived): /usr/bin/tool is missing"),
    "an archived tree gone": (archived_tree, "Generation 1 (archived): has no tree"),
    "an archived holder gone": (archived_holder, "Generation 2 (archived): has no tree"),
    "an archived tree without number": (archived_number, "/usr/.stateID is missing or unreadable and should say 1"),
    "an archived tree with a strange number": (archived_number_flipped, "says 77 and should say 1"),
    "an archived tree with another's number": (archived_number_doubled, "says 2 and should say 1"),
    "a live tree without number": (live_number, "/usr/.stateID is missing or unreadable and should say 3"),
    "an archived tree that does not say what it was to be": (archived_model, "/usr/.system-model.kdl is missing"),
    "a live tree that says something else": (live_model, "/usr/.system-model.kdl cannot be read: it does not end with"),
    "a directory for what it was to be": (live_model_replaced, "/usr/.system-model.kdl cannot be read: "),
    "a live tree gone": (live_tree, "Generation 3 (active): has no tree"),
    "attributes": (attributes, "/usr/share/tool/empty has other extended attributes"),
    "owners": (owners, "belongs to 1234:1234 and should to 0:0"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_mended(machine: Machine, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    do, said = DAMAGES[name]
    if name == "owners" and not AS_ROOT:
        pytest.skip("only root gives files away")
    do(machine)
    before = snapshot(machine.root, without=[".moss/db"])
    capfd.readouterr()
    machine.moss("verify", exit_code=7)
    machine.moss("verify", "--fix", "-n", exit_code=7)
    assert said in capfd.readouterr().out
    assert snapshot(machine.root, without=[".moss/db"]) == before, "looking changes nothing"
    machine.moss("verify", "--fix", "-y")
    out = capfd.readouterr().out
    assert "stay damaged" not in out and "stays damaged" not in out
    machine.check_whole()
    machine.moss("verify")
    machine.moss("rollback", "-y")


@pytest.mark.parametrize("damage", [archived_number, archived_number_flipped, archived_number_doubled])
def test_a_tree_that_lost_its_number_is_not_taken_for_a_half_made_one(
    machine: Machine, damage: Callable[[Machine], None]
) -> None:
    damage(machine)
    inode = machine.archive(1).stat().st_ino
    machine.moss("install", "tool", "-y")
    assert machine.archive(1).stat().st_ino == inode
    machine.moss("verify", "--fix", "-y")
    assert machine.archive(1).stat().st_ino == inode
    machine.check_whole()


def test_a_whole_system_is_said_to_be_whole_and_copies_are_fine(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    notes = machine.usr / "share/tool/notes"
    content = notes.read_bytes()
    notes.unlink()
    notes.write_bytes(content)
    notes.chmod(0o644)
    machine.moss("verify")
    assert capfd.readouterr().out.startswith("All is as it should be: 3 trees, ")
    machine.moss("verify", "--fix")
    machine.moss("state", "verify", "1")
    machine.moss("state", "verify", "9", exit_code=3)


def test_one_generation_can_be_verified(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    archived_file(machine)
    machine.moss("state", "verify")
    machine.moss("state", "verify", "2")
    capfd.readouterr()
    machine.moss("state", "verify", "1", exit_code=7)
    assert "/usr/bin/tool is missing" in capfd.readouterr().out


def test_the_command_that_mends_is_for_this_root(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    flip(machine.stored("share/big"))
    machine.moss("verify", exit_code=7)
    assert f"Mend it: moss -D {machine.root} verify --fix" in capfd.readouterr().out


def test_without_repositories_other_copies_do(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    """The same content stands under another mode, or as a second inode in a tree."""
    hide(machine)
    flip(machine.stored("bin/suid"))
    notes = machine.archive(1) / "share/tool/notes"
    content = notes.read_bytes()
    notes.unlink()
    notes.write_bytes(content)
    flip(machine.stored("share/tool/notes"))
    machine.moss("verify", "--fix", "-y")
    out = capfd.readouterr().out
    assert f"→ from {notes}" in out
    assert stat.S_IMODE((machine.usr / "bin/suid").stat().st_mode) == 0o4755
    machine.check_whole()


def test_what_cannot_be_mended_is_told_with_the_reason(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    hide(machine)
    flip(machine.stored("share/big"))
    live_stray(machine)
    capfd.readouterr()
    machine.moss("verify", "--fix", "-y", exit_code=7)
    out = capfd.readouterr().out
    assert "stays damaged: /nowhere/tool-" in out and "is not there" in out
    remedies = [f"moss -D {machine.root} repo add NAME {place}" for place in ("URI", "bundle:FILE")]
    assert all(remedy in out for remedy in remedies)
    assert "/usr/share/big of generation 3 has other content than was installed, and stays so" in out
    assert not (machine.usr / "bin/own").exists(), "the rest is mended all the same"
    machine.moss("repo", "remove", "main")
    machine.moss("verify", "--fix", "-y", exit_code=7)
    assert "no repository offers a package that has it" in capfd.readouterr().out
    machine.moss("repo", "add", "main", str(machine.packages / "stone.index"), "--unsigned")
    machine.moss("verify", "--fix", "-y")
    machine.check_whole()


def test_a_stone_that_is_damaged_itself_mends_nothing(
    machine: Machine, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    packages = tmp_path / "packages"
    shutil.copytree(machine.packages, packages)
    machine.moss("repo", "remove", "main")
    machine.moss("repo", "add", "main", str(packages / "stone.index"), "--unsigned")
    for stone in packages.glob("tool-*"):
        flip(stone)
    flip(machine.stored("share/big"))
    machine.moss("verify", "--fix", "-y", exit_code=7)
    assert "is not the file that the index names" in capfd.readouterr().out


def test_programs_that_run_keep_their_files(machine: Machine) -> None:
    with (machine.usr / "share/big").open("rb") as running:
        store_flipped(machine)
        flip(machine.stored("share/big"))
        seen = os.fstat(running.fileno()).st_ino
        damaged = running.read()
        machine.moss("verify", "--fix", "-y")
        running.seek(0)
        assert running.read() == damaged and os.fstat(running.fileno()).st_ino == seen
        assert (machine.usr / "share/big").stat().st_ino != seen
    machine.check_whole()


def test_what_is_foreign_is_put_aside_and_not_lost(machine: Machine) -> None:
    for _ in range(2):
        live_stray(machine)
        machine.moss("verify", "--fix", "-y")
    assert (machine.root / ".moss/lost/3/bin/own/script").read_text() == "mine"
    assert (machine.root / ".moss/lost/3/bin/own~2/script").read_text() == "mine"
    machine.check_whole()


def test_a_damaged_spare_is_thrown_away(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    machine = Machine.made(tmp_path)
    machine.moss("state", "prune", "--keep", "2", "--remember", "-y")
    machine.moss("remove", "other", "-y")
    spare = machine.root / ".moss/root/spare"
    assert spare.exists() and not (spare / "usr/.system-model.kdl").exists(), "it was never to be anything"
    machine.moss("verify")
    (spare / "usr/bin/tool").unlink()
    machine.moss("verify", exit_code=7)
    machine.moss("verify", "--fix", "-y")
    assert "the spare is thrown away" in capfd.readouterr().out
    assert not spare.exists()
    machine.moss("verify")
    machine.moss("install", "other", "-y")
    assert differences(machine.root) == []


def test_answers_are_what_their_schema_says(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    from tests.cli.test_json import judge

    for name in ("a flipped bit in the store", "a pipe", "an archived tree gone"):
        DAMAGES[name][0](machine)
    for words in (["verify"], ["verify", "--fix", "-n"], ["verify", "--fix", "-y"], ["verify", "--fix"]):
        capfd.readouterr()
        main(["-D", str(machine.root), "--json", *words])
        judge("verify", json.loads(capfd.readouterr().out))


def test_a_reader_that_was_overtaken_says_so(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from moss.operations import verify as verifying

    real = verifying.orphans

    def meanwhile(system: object) -> object:
        machine.moss("remove", "other", "-y")
        return real(system)  # type: ignore[arg-type]

    monkeypatch.setattr(verifying, "orphans", meanwhile)
    machine.moss("verify", exit_code=8)


def damaged(machine: Machine) -> set[tuple[int, str]]:
    """Which paths of which generation are not as recorded, found without moss's help."""
    places = {3: machine.usr, 1: machine.archive(1), 2: machine.archive(2)}
    return {
        (number, line.split(" is ")[0])
        for number, usr in places.items()
        for line in differences(machine.root, number, usr)
    }


@pytest.mark.slow_too
def test_a_crash_while_mending_is_harmless(template: Machine, tmp_path: Path) -> None:
    """After any effect: trees are no worse than before, and verify --fix comes to its end the next time."""

    def act(root: Path, effects: Effects) -> None:
        with open_to_change(str(root), command="moss verify --fix", effects=effects) as system:
            assert mend(system, propose_mending(system, verify(system))).left == []

    for point in range(0, 10_000, STEP):
        machine = copied(template, tmp_path / f"{point}")
        for damage in (store_flipped, store_gone, store_opened, live_types, live_modes, live_stray):
            damage(machine)
        archived_tree(machine)
        live_number(machine)
        before = damaged(machine)
        finished = crash_at(point, lambda effects, machine=machine: act(machine.root, effects))
        assert damaged(machine) <= before
        # Recovery would take such a tree for a whole one, though nothing of it may be durable yet.
        assert not (machine.root / ".moss/root/mending/usr").exists()
        act(machine.root, default_effects())
        machine.check_whole()
        shutil.rmtree(machine.root)
        if finished:
            break
    assert point > 30


def test_mending_needs_what_it_says(machine: Machine) -> None:
    """The digest is checked again while a copy is written: a copy that changed meanwhile is not taken."""
    flip(machine.stored("bin/suid"))
    with open_to_change(str(machine.root), command="moss test") as system:
        mending = propose_mending(system, verify(system))
        (one,) = mending.assets
        flip(Path(one.copies[0].path))
        hide(machine)
        try:
            done = mend(system, mending)
        except MossError as fault:
            pytest.fail(str(fault))
        assert len(done.left) > 0
    assert (machine.usr / "bin/suid").read_bytes() != b""
