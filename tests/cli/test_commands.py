"""Commands on a real small system: what they print, where, and how they end."""

import fcntl
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Moss, Place, publish


def at(place: Place) -> tuple[str, str]:
    return "-D", str(place.root)


def files(root: Path) -> dict[str, tuple[int, int, int]]:
    """Every path below with its inode, size and time of change: nothing may differ after looking.

    SQLite's readers leave a `-wal` (empty) and a `-shm` beside a database: how they see a writer.
    """
    found = {}
    for directory, names, others in os.walk(root):
        for name in (*names, *others):
            path = os.path.join(directory, name)
            status = os.lstat(path)
            if name.endswith("-wal"):
                assert status.st_size == 0
            if not name.endswith(("-wal", "-shm")):
                time = 0 if path.endswith(".moss/db") else status.st_mtime_ns
                found[os.path.relpath(path, root)] = (status.st_ino, status.st_size, time)
    return found


def test_what_is_installed_is_listed(place: Place, moss: Moss) -> None:
    ended = moss(*at(place), "list", "installed")
    assert ended == (0, ended.out, "")
    assert ended.out.splitlines() == [
        "Package   Version  By      Summary",
        "greeting  1.0-1    needed  A polite library",
        "hello     1.0-1    you     Says hello",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "list installed", "list available", "list updates", "search hello", "info hello", "provides greeting",
        "state list", "state show", "state diff 1", "history", "repo list",
        "install -n grump", "update -n", "remove -n hello", "sync -n", "repo add x y -n", "repo update -n",
    ],
)  # fmt: skip
def test_looking_writes_nothing(line: str, place: Place, moss: Moss) -> None:
    before = files(place.root)
    moss(*at(place), *line.split())
    assert files(place.root) == before


def test_a_dry_run_shows_the_plan_and_says_that_nothing_changed(place: Place, moss: Moss) -> None:
    ended = moss(*at(place), "update", "-n")
    assert ended.exit_code == 0
    assert ended.out.startswith("Change    hello 1.0-1 → 1.1-1  newer version\n")
    assert ended.out.endswith("Dry run: nothing changed.\n")


def test_without_a_terminal_a_change_needs_yes(place: Place, moss: Moss) -> None:
    ended = moss(*at(place), "update")
    assert ended.exit_code == 2
    assert ended.out.startswith("Change ")
    assert "needs confirmation, pass --yes" in ended.err
    assert f"moss -D {place.root} update --yes" in ended.err
    assert "hello     1.0-1" in moss(*at(place), "li").out


def test_update_rollback_and_forth(place: Place, moss: Moss) -> None:
    assert moss(*at(place), "update", "-y").out.splitlines()[-1].startswith("Generation 2 is active (")
    assert "hello     1.1-1" in moss(*at(place), "li").out
    assert moss(*at(place), "rollback", "-y").exit_code == 0
    assert "hello     1.0-1" in moss(*at(place), "li").out
    assert moss(*at(place), "state", "activate", "-y", "2").exit_code == 0
    assert "hello     1.1-1" in moss(*at(place), "li").out
    lines = moss(*at(place), "state", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["Generation", "1", "2"]
    assert "rollback goes here" in lines[1] and "active" in lines[2]
    assert [line.split("  ")[-1] for line in moss(*at(place), "history").out.splitlines()[1:]] == [
        "moss state activate 2",
        "moss rollback",
        "moss update",
        "moss install hello",
    ]


def test_an_update_can_be_left_to_the_next_boot(place: Place, moss: Moss) -> None:
    ended = moss(*at(place), "update", "-y", "--at-boot", "--json")
    assert "moss.fstx=2" in json.loads(ended.out)["warnings"][0], "this system has no boot menu"
    assert json.loads(ended.out)["data"]["outcome"]["at_boot"] is True
    assert (place.root / "usr/.stateID").read_text() == "1\n"
    assert "at the next boot" in moss(*at(place), "state", "list").out
    listed = json.loads(moss(*at(place), "state", "list", "--json").out)["data"]
    assert [one["pending"] for one in listed] == [False, True]
    assert "--at-boot" in moss(*at(place), "history").out
    # The next change says so before it is made, and how to go on.
    shown = moss(*at(place), "update", "--dry-run", "--at-boot")
    assert "generation 1 → 3, at the next boot" in shown.out
    assert "generation 2 is left to the next boot" in shown.err
    named = f"moss -D {place.root} state activate"
    assert f"{named} 2;" in shown.err and f"{named} 1 --at-boot" in shown.err
    assert moss(*at(place), "state", "remove", "-y", "2").exit_code == 1
    assert "stays active" in moss(*at(place), "state", "activate", "1", "--at-boot", "-y").out
    assert "left to" not in moss(*at(place), "update", "--dry-run").err
    told = moss(*at(place), "state", "activate", "2", "--at-boot", "-y").out
    assert "Generation 2 is ready for the next boot" in told and "until then generation 1 is active" in told
    assert "left to" not in moss(*at(place), "state", "activate", "2", "-y").err
    assert (place.root / "usr/.stateID").read_text() == "2\n"


def test_nothing_to_do_is_said_and_asks_nothing(place: Place, moss: Moss) -> None:
    assert moss(*at(place), "install", "hello") == (
        0,
        "Nothing to do: what you ask for is there already.\n",
        "",
    )
    assert moss(*at(place), "state", "activate", "1") == (
        0,
        "Nothing to do: generation 1 is active already.\n",
        "",
    )
    assert moss(*at(place), "sync") == (0, "Nothing to do: the system is what its model says.\n", "")


def test_quiet_says_only_the_result(place: Place, moss: Moss) -> None:
    assert len(moss(*at(place), "-q", "-y", "update").out.splitlines()) == 1


def test_removing_what_was_asked_for_removes_what_nothing_needs(place: Place, moss: Moss) -> None:
    out = moss(*at(place), "remove", "-y", "hello").out
    assert "hello 1.0-1     you asked for its removal" in out
    assert "greeting 1.0-1  nothing needs it any more" in out
    assert moss(*at(place), "li").out == "Nothing is installed.\n"


def test_updates_can_be_asked_for_by_a_script(place: Place, moss: Moss) -> None:
    assert moss(*at(place), "list", "updates").exit_code == 0
    assert moss(*at(place), "list", "updates", "--check").exit_code == 100
    moss(*at(place), "update", "-y")
    assert moss(*at(place), "lu", "--check").exit_code == 0


def test_an_unknown_package_is_answered_with_near_ones(place: Place, moss: Moss) -> None:
    for verb in ("install", "info"):
        ended = moss(*at(place), verb, "helo")
        assert ended.exit_code == 3
        assert "hello" in ended.err


def test_who_asks_for_a_file_is_told_how_it_becomes_a_repository(place: Place, moss: Moss) -> None:
    for file, steps in (
        ("mine/tool-1-1-1-x86_64.stone", "moss index mine && moss repo add NAME mine/stone.index --unsigned"),
        ("tool.deb", "moss convert tool.deb -o STONES && moss index STONES && moss repo add NAME STONES/stone.index"),
    ):
        ended = moss(*at(place), "install", file)
        assert ended.exit_code == 3 and "from repositories, not from files" in ended.err
        assert steps in " ".join(ended.err.replace(f" -D {place.root}", "").split())


def test_what_conflicts_ends_with_4(place: Place, moss: Moss) -> None:
    ended = moss(*at(place), "install", "-y", "grump")
    assert ended.exit_code == 4
    assert "grump" in ended.err and "greeting" in ended.err
    assert moss(*at(place), "state", "list").out.count("\n") == 2


def test_a_generation_that_is_not_there_ends_with_3(place: Place, moss: Moss) -> None:
    for line in ("state activate 9 -y", "state show 9", "state diff 9"):
        assert moss(*at(place), *line.split()).exit_code == 3
    assert moss(*at(place), "rollback", "-y").exit_code == 3


def test_a_system_that_is_being_changed_ends_with_8(place: Place, moss: Moss) -> None:
    with open(place.root / ".moss" / "lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = moss(*at(place), "update", "-y")
        assert ended.exit_code == 8
        assert "--wait" in ended.err
        assert moss(*at(place), "li").exit_code == 0


def test_a_repository_that_is_not_there_ends_with_3(place: Place, moss: Moss) -> None:
    assert moss(*at(place), "repo", "add", "new", "/nowhere/stone.index", "--unsigned").exit_code == 3
    assert moss(*at(place), "repo", "remove", "new").exit_code == 3
    assert moss(*at(place), "repo", "update", "new").exit_code == 3


def test_a_damaged_stone_ends_with_7_and_changes_nothing(place: Place, moss: Moss, tmp_path: Path) -> None:
    copy = tmp_path / "repository"
    shutil.copytree(place.repository, copy)
    stone = next(copy.glob("hello-1.1*"))
    content = bytearray(stone.read_bytes())
    content[-1] ^= 1
    stone.write_bytes(content)
    assert moss("inspect", "--check", str(stone)).exit_code == 7
    moss(*at(place), "repo", "remove", "tour")
    assert moss(*at(place), "repo", "add", "tour", str(copy / "stone.index"), "--unsigned").exit_code == 0
    assert moss(*at(place), "update", "-y").exit_code == 7
    assert "hello     1.0-1" in moss(*at(place), "li").out


def test_a_foreign_usr_is_left_alone(place: Place, moss: Moss, tmp_path: Path) -> None:
    root = tmp_path / "foreign"
    (root / "usr" / "bin").mkdir(parents=True)
    moss("-D", str(root), "repo", "add", "tour", place.index, "--unsigned")
    ended = moss("-D", str(root), "install", "-y", "hello")
    assert ended.exit_code == 1
    assert "moss did not make" in ended.err
    assert sorted(os.listdir(root / "usr")) == ["bin"]


def test_an_empty_system_answers_every_question(moss: Moss, tmp_path: Path) -> None:
    root = ("-D", str(tmp_path))
    for line in (
        "list installed",
        "list available",
        "list updates",
        "state list",
        "history",
        "repo list",
        "search x",
    ):
        assert moss(*root, *line.split()).exit_code == 0, line
    assert os.listdir(tmp_path) == []
    assert moss(*root, "rollback", "-y").exit_code == 3


def test_an_update_of_nothing_does_not_call_it_up_to_date(moss: Moss, tmp_path: Path) -> None:
    ended = moss("-D", str(tmp_path / "new"), "update")
    assert ended == (0, "Nothing to do: nothing is installed.\n", "")


def test_a_root_that_is_no_directory_ends_with_3(moss: Moss, tmp_path: Path) -> None:
    assert moss("-D", str(tmp_path / "nothing"), "li").exit_code == 3


def test_a_stone_is_inspected_checked_and_extracted(place: Place, moss: Moss, tmp_path: Path) -> None:
    stone = str(next(place.repository.glob("hello-1.0*")))
    shown = moss("inspect", stone).out
    assert shown.startswith("Package   hello\nVersion   1.0-1")
    assert "Needs     greeting\n" in shown and "Provides  binary(hello)\n" in shown
    assert "/usr/bin/hello" in moss("inspect", "-v", stone).out
    assert "is sound" in moss("inspect", "--check", stone).out
    assert moss("extract", stone, "-o", str(tmp_path / "out")).exit_code == 0
    assert (tmp_path / "out" / "usr" / "bin" / "hello").read_bytes() == (
        place.trees / "hello-1.0" / "usr" / "bin" / "hello"
    ).read_bytes()
    assert moss("extract", stone, "-o", str(tmp_path / "out")).exit_code == 2
    assert moss("inspect", str(tmp_path / "nothing")).exit_code == 3
    assert moss("inspect", str(tmp_path)).exit_code == 2


def test_extended_attributes_are_packed_shown_extracted_and_installed(moss: Moss, tmp_path: Path) -> None:
    file = tmp_path / "noted" / "usr" / "share" / "noted"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"noted")
    file.chmod(0o444)
    os.setxattr(file, "user.note", b"kept")
    stones, root = tmp_path / "stones", str(tmp_path / "root")
    packing = moss("pack", str(tmp_path / "noted"), "--name", "noted", "--version", "1.0", "-o", str(stones))
    assert packing.exit_code == 0 and "loses" not in packing.err
    (stone,) = map(str, stones.glob("*.stone"))
    assert "/usr/share/noted  [user.note]\n" in moss("inspect", "-v", stone).out
    shown = json.loads(moss("inspect", "--json", stone).out)["data"]["layout"]
    assert [entry["xattrs"] for entry in shown] == [{"user.note": b"kept".hex()}]
    assert moss("extract", stone, "-o", str(tmp_path / "out")).exit_code == 0
    assert moss("index", str(stones)).exit_code == 0
    assert moss("-D", root, "repo", "add", "main", str(stones / "stone.index"), "--unsigned").exit_code == 0
    assert moss("-D", root, "install", "-y", "noted").exit_code == 0
    for top in (tmp_path / "out", tmp_path / "root"):
        assert os.getxattr(top / "usr/share/noted", "user.note") == b"kept"


def test_pack_tells_of_every_capability_it_cannot_read(place: Place, moss: Moss) -> None:
    ended = moss("pack", str(place.trees / "hello-1.0"), "--name", "x", "--version", "1",
                 "--depends", "nokind(x)", "--depends", "binary(x")  # fmt: skip
    assert ended.exit_code == 2
    assert "nokind(x)" in ended.err and "binary(x" in ended.err


def test_convert_tells_of_every_file_it_cannot_read(moss: Moss, tmp_path: Path) -> None:
    for name in ("a.deb", "b.deb"):
        (tmp_path / name).write_bytes(b"no archive at all")
    one = moss("convert", str(tmp_path / "a.deb"), "-o", str(tmp_path / "out"))
    two = moss("convert", *(str(tmp_path / name) for name in ("a.deb", "b.deb")), "-o", str(tmp_path / "out"))
    assert one.exit_code == two.exit_code == 7
    assert "a.deb" in two.err and "b.deb" in two.err
    assert moss("convert", str(tmp_path / "none.deb")).exit_code == 3


def test_a_recovered_transaction_ends_with_13_and_the_next_run_goes_on(place: Place, moss: Moss) -> None:
    from moss.db import journal
    from moss.operations.system import open_to_change

    with open_to_change(str(place.root), command="moss update") as system:
        journal.begin(
            system.record,
            operation="update",
            command="moss update",
            from_generation=system.active,
            started_at=0,
        )
    ended = moss(*at(place), "update", "-y")
    assert ended.exit_code == 13
    assert f"moss -D {place.root} update -y" in ended.err
    assert moss(*at(place), "update", "-y").exit_code == 0


def test_what_packages_say_cannot_act_on_the_terminal(place: Place, moss: Moss, tmp_path: Path) -> None:
    tree = tmp_path / "evil" / "usr" / "share"
    tree.mkdir(parents=True)
    (tree / "evil").write_text("x")
    repository = tmp_path / "repository"
    packed = moss(
        "pack", str(tmp_path / "evil"), "--name", "evil", "--version", "1", "-o", str(repository),
        "--summary", "\x1b[2Jgone \u202etxt", "--description", "\x1b]0;title\x07",
    )  # fmt: skip
    if packed.exit_code != 0:
        pytest.fail(packed.err)
    moss("index", str(repository))
    moss(*at(place), "repo", "add", "evil", str(repository / "stone.index"), "--unsigned")
    for line in ("list available", "info evil", "search gone", f"inspect {next(repository.glob('*.stone'))}"):
        out = moss(*at(place), *line.split()).out
        assert "\\e[2J" in out
        assert not set(out) & set("\x1b\x07\u202e")


def test_publishing_again_is_seen_by_update(place: Place, moss: Moss, tmp_path: Path) -> None:
    copy = place._replace(repository=tmp_path / "repository")
    shutil.copytree(place.repository, copy.repository)
    moss(*at(place), "repo", "remove", "tour")
    moss(*at(place), "repo", "add", "tour", copy.index, "--unsigned")
    publish(copy, "hello", "2.0", "--depends", "greeting")
    assert "hello 1.0-1 → 2.0-1" in moss(*at(place), "update", "-y").out


def test_offline_update_reads_no_repository(place: Place, moss: Moss, tmp_path: Path) -> None:
    copy = place._replace(repository=tmp_path / "repository")
    shutil.copytree(place.repository, copy.repository)
    moss(*at(place), "repo", "remove", "tour")
    moss(*at(place), "repo", "add", "tour", copy.index, "--unsigned")
    publish(copy, "hello", "2.0", "--depends", "greeting")
    assert "hello 1.0-1 → 1.1-1" in moss(*at(place), "update", "-y", "--offline").out


def test_ctrl_c_after_the_point_of_no_return_says_what_is_active_now(
    place: Place, moss: Moss, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moss.operations import commit as committing

    def interrupted_too_late(*arguments: object, **options: object) -> None:
        real(*arguments, **options)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    real = committing.commit
    monkeypatch.setattr(committing, "commit", interrupted_too_late)
    ended = moss(*at(place), "update", "-y")
    assert ended.exit_code == 130
    assert "the change was made before that, generation 2 is active" in ended.err


def test_ctrl_c_in_the_middle_of_a_commit_leaves_no_trace(
    place: Place, moss: Moss, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moss.operations import commit

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commit, "unpack", interrupted)
    ended = moss(*at(place), "update", "-y")
    assert (ended.exit_code, ended.err) == (130, "error: interrupted: nothing was changed\n")
    assert "hello     1.0-1" in moss(*at(place), "li").out


def test_a_range_that_a_maker_said_holds_an_update_back(moss: Moss, tmp_path: Path) -> None:
    def offer(name: str, version: str, *more: str) -> None:
        (tmp_path / f"{name}-{version}/usr/share" / name).mkdir(parents=True)
        words = ("pack", str(tmp_path / f"{name}-{version}"), "--name", name, "--version", version)
        assert moss(*words, "-o", str(tmp_path / "offered"), *more).exit_code == 0
        assert moss("index", str(tmp_path / "offered")).exit_code == 0

    offer("lib", "1")
    offer("tool", "1", "--depends", "lib (< 2)")
    root = ("-D", str(tmp_path / "root"))
    assert moss(*root, "repo", "add", "main", str(tmp_path / "offered/stone.index"), "--unsigned").exit_code == 0
    assert moss(*root, "install", "-y", "tool").exit_code == 0
    offer("lib", "2")
    assert "tool 1-1 needs lib (< 2)" in moss(*root, "update").out
    offer("tool", "2", "--depends", "lib (>= 2)")
    assert moss(*root, "update", "-y").exit_code == 0
    assert "2-1" in moss(*root, "info", "lib").out
