"""A repository is vouched for, or the person says that it need not be: once, and shown always."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tests.trust.conftest import User
from tests.trust.signed import Maker


def test_nothing_said_is_refused(maker: Maker, user: User) -> None:
    ended = user.moss("repo", "add", "other", maker.index)
    assert ended.exit_code == 6
    assert "--trust FILE" in ended.err and "--unsigned" in ended.err
    assert "other" not in user.done("repo", "list")


def test_what_is_signed_is_verified_shown_and_installed(maker: Maker, user: User) -> None:
    assert user.has("hello") == "hello 1.0"
    listed = user.done("repo", "list")
    assert "signed" in listed and "unsigned" not in listed
    assert "Unsigned" not in user.done("install", "-n", "hello")
    shown = user.done("repo", "trust", "main")
    assert hashlib.sha256((maker.metadata / "1.root.json").read_bytes()).hexdigest() in shown
    assert "when its snapshot expires" in shown


def test_a_fingerprint_pins_the_root_that_has_it(maker: Maker, user: User) -> None:
    maker.keys("new")
    maker.done("trust", "rotate", maker.repository, "--key", "own", "--key", "new", "--add", "all=new")
    for number in (1, 2):
        digest = hashlib.sha256((maker.metadata / f"{number}.root.json").read_bytes()).hexdigest()
        user.done("repo", "add", f"by-{number}", maker.index, "--trust", f"sha256:{digest}")
    ended = user.moss("repo", "add", "other", maker.index, "--trust", f"sha256:{'ab' * 32}")
    assert ended.exit_code == 6 and "has no root with the fingerprint" in ended.err and "root 2 is" in ended.err
    assert {path.name for path in (user.root / ".moss/trust").iterdir()} == {"main", "by-1", "by-2"}


@pytest.mark.parametrize("words", [["--trust", "{other}"], ["--trust", "{garbage}"]])
def test_a_root_that_does_not_vouch_for_it_adds_nothing(
    words: list[str], maker: Maker, user: User, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Maker(tmp_path_factory.mktemp("other"))
    other.keys("own")
    other.publish()
    garbage = other.repository / "garbage"
    garbage.write_text("{}")
    said = [word.format(other=other.metadata / "1.root.json", garbage=garbage) for word in words]
    ended = user.moss("repo", "add", "other", maker.index, *said)
    assert ended.exit_code == 6, ended
    assert "other" not in user.done("repo", "list")
    assert not (user.root / ".moss/trust/other").exists()


def test_unsigned_is_said_once_and_shown_always(maker: Maker, user: User) -> None:
    user.done("repo", "remove", "main")
    assert not (user.root / ".moss/trust/main").exists()
    user.done("repo", "add", "main", maker.index, "--unsigned")
    maker.stone("hello", "1.1")
    maker.publish()
    user.done("repo", "update")
    assert "unsigned" in user.done("repo", "list")
    assert "Unsigned  main, for 1 package: nobody vouches for what it offers" in user.done("update", "-n")
    plan = json.loads(user.done("update", "-n", "--json"))["data"]["plan"]
    assert plan["sources"] == [{"repository": "main", "packages": 1, "vouched_by": "nobody", "stale_days": 0}]
    assert "nothing vouches for what main offers" in user.moss("doctor").out
    user.done("repo", "trust", "main", "--trust", maker.metadata / "1.root.json")
    assert "Unsigned" not in user.done("update", "-n")


def test_pinning_another_root_begins_anew_or_changes_nothing(
    maker: Maker, user: User, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Maker(tmp_path_factory.mktemp("other"))
    other.keys("own")
    other.publish()
    ended = user.moss("repo", "trust", "main", "--trust", other.metadata / "1.root.json")
    assert ended.exit_code == 6
    user.done("repo", "update")
    assert len(list((user.root / ".moss/trust/main").iterdir())) == 1
    user.done("repo", "trust", "main", "--unsigned")
    assert not (user.root / ".moss/trust/main").exists()
    assert "unsigned" in user.done("repo", "list")


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [
        (("--unsigned", "--trust", "x"), 2),
        (("--max-staleness", "3"), 2),
        (("--trust", "/nowhere/1.root.json"), 3),
    ],
)
def test_what_contradicts_itself_is_refused(words: tuple[str, ...], exit_code: int, maker: Maker, user: User) -> None:
    assert user.moss("repo", "add", "other", maker.index, *words).exit_code == exit_code


def test_a_pinned_root_that_somebody_changed_is_pinned_no_more(maker: Maker, user: User, tmp_path: Path) -> None:
    other = Maker(tmp_path / "other")
    other.keys("own")
    other.publish()
    pinned = next((user.root / ".moss/trust/main").iterdir()) / "pinned"
    for content in ((other.metadata / "1.root.json").read_bytes(), b""):
        pinned.write_bytes(content)
        ended = user.moss("repo", "update")
        assert ended.exit_code == 6 and "is not the root that was pinned" in ended.err
    user.done("repo", "trust", "main", "--trust", maker.metadata / "1.root.json")
    user.done("repo", "update")


def test_going_back_to_an_older_generation_does_not_go_back_to_older_trust(maker: Maker, user: User) -> None:
    old = maker.copy(maker.repository.with_name("old"))
    maker.stone("hello", "1.1")
    maker.publish()
    user.done("update", "-y")
    user.done("rollback", "-y")
    assert user.has("hello") == "hello 1.0"
    put_back(old, maker)
    ended = user.moss("repo", "update")
    assert ended.exit_code == 6 and "older than what was seen" in ended.err


def put_back(old: Path, maker: Maker) -> None:
    """Let the repository be as it was."""
    shutil.rmtree(maker.repository)
    shutil.copytree(old.parent, maker.repository)
