"""What was signed is good for a time; a machine without a network says for how much longer it takes it."""

import json
import time
from pathlib import Path

import pytest

from tests.trust.conftest import User
from tests.trust.signed import DAY, Maker, expired


def let_it_be_later(user: User, days: float) -> None:
    """As if so many days had gone by since what is known of the repository was signed."""
    place = next((user.root / ".moss/trust/main").iterdir()) / "verified"
    found = json.loads(place.read_text())
    place.write_text(json.dumps(found | {"expires_at": int(time.time() - days * DAY)}))


@pytest.fixture
def offering(maker: Maker, user: User) -> User:
    """The user knows of hello 1.1 and other 1.0."""
    maker.stone("hello", "1.1")
    maker.stone("other", "1.0")
    maker.publish()
    user.done("repo", "update")
    return user


@pytest.mark.parametrize("words", ["install -y other", "update -y --offline", "update -n"])
def test_nothing_comes_from_what_has_expired(words: str, offering: User) -> None:
    let_it_be_later(offering, 2.5)
    ended = offering.moss(*words.split())
    assert ended.exit_code == 6
    assert "what main has signed expired on " in ended.err and "its snapshot" in ended.err
    assert "moss repo update main" in ended.err or "repo update main" in ended.err
    assert "--max-staleness 3" in ended.err
    assert offering.has("other") is None and offering.has("hello") == "hello 1.0"


def test_what_is_there_needs_nobodys_word(offering: User) -> None:
    offering.done("install", "-y", "other")
    let_it_be_later(offering, 100)
    offering.done("remove", "-y", "other")
    offering.done("rollback", "-y")
    offering.done("sync", "-y")
    assert offering.has("other") == "other 1.0"


def test_staleness_is_said_once_and_shown_always(offering: User) -> None:
    let_it_be_later(offering, 2.5)
    offering.done("repo", "trust", "main", "--max-staleness", "3")
    planned = offering.done("install", "-n", "other")
    assert "Stale     main, for 1 package: what it signed expired 3 days ago" in planned
    plan = json.loads(offering.done("install", "-n", "other", "--json"))["data"]["plan"]
    assert plan["sources"][0]["stale_days"] == 3
    assert "signed, expired 3 days ago" in offering.done("repo", "list")
    assert "what main has signed expired 3 days ago; 3 are accepted" in offering.done("doctor")
    shown = offering.done("repo", "trust", "main")
    assert "3 days after it has expired" in shown and "expired 3 days ago" in shown
    offering.done("install", "-y", "other")
    let_it_be_later(offering, 3.5)
    assert offering.moss("update", "-y", "--offline").exit_code == 6
    assert "signed expired 4 days ago" in offering.moss("doctor").out
    offering.done("repo", "trust", "main", "--max-staleness", "0")
    let_it_be_later(offering, 0.1)
    assert offering.moss("update", "-y", "--offline").exit_code == 6
    offering.done("update", "-y")
    assert "Stale" not in offering.done("repo", "trust", "main")


def test_an_expired_repository_is_read_under_the_same_rule(maker: Maker, user: User) -> None:
    maker.stone("hello", "1.1")
    maker.publish()
    maker.forge("timestamp.json", expired(3), "own")
    ended = user.moss("repo", "update")
    assert ended.exit_code == 6 and "3 days are accepted" not in ended.err
    assert "moss repo trust main --max-staleness 4" in ended.err.replace(f"-D {user.root} ", "")
    user.done("repo", "trust", "main", "--max-staleness", "3")
    assert "3 days are accepted" in user.moss("repo", "update").err
    user.done("repo", "trust", "main", "--max-staleness", "4")
    user.done("update", "-y")
    assert user.has("hello") == "hello 1.1"
    ended = user.moss("repo", "add", "again", maker.index, "--trust", maker.metadata / "1.root.json")
    assert ended.exit_code == 6
    pinned = ("--trust", str(maker.metadata / "1.root.json"), "--max-staleness", "10")
    user.done("repo", "add", "again", maker.index, *pinned)


def test_patience_is_no_way_around_rollback(maker: Maker, user: User, tmp_path: Path) -> None:
    user.done("repo", "trust", "main", "--max-staleness", "10000")
    before = maker.copy(tmp_path / "before").parent
    maker.stone("hello", "1.1")
    maker.publish()
    user.done("repo", "update")
    (maker.metadata / "timestamp.json").write_bytes((before / "tuf/timestamp.json").read_bytes())
    ended = user.moss("repo", "update")
    assert ended.exit_code == 6 and "older than what was seen" in ended.err


def test_nothing_expires_of_what_nobody_signs(maker: Maker, user: User) -> None:
    user.done("repo", "trust", "main", "--unsigned")
    ended = user.moss("repo", "trust", "main", "--max-staleness", "3")
    assert ended.exit_code == 2 and "nothing of it expires" in ended.err
    assert user.moss("repo", "trust", "nobody").exit_code == 3


def test_an_index_that_was_not_the_verified_one_offers_nothing(offering: User, maker: Maker) -> None:
    """The cache and the trust are two files: where they do not belong together, nothing is installed."""
    place = next((offering.root / ".moss/trust/main").iterdir()) / "verified"
    found = json.loads(place.read_text())
    for text in ("", "{", json.dumps(found | {"index": "0" * 64})):
        place.write_text(text)
        ended = offering.moss("install", "-y", "other")
        assert ended.exit_code == 6 and "was not read from the index that its signed metadata name" in ended.err
    offering.done("repo", "update")
    offering.done("install", "-y", "other")
