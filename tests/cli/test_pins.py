"""Pins, holds, and wishes for an older version or for a repository: said, kept, explained, taken back."""

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Ended, Moss
from tests.cli.shop import Shop


@pytest.fixture
def shop(tmp_path: Path, moss: Moss) -> Shop:
    """bar 1 is installed; bar 2 is on offer, bar 3 from another repository, and foo, which needs bar 2."""
    shop = Shop(tmp_path)
    shop.add("bar", "1")
    shop.open()
    assert moss(*shop.said("install", "-y", "bar")).exit_code == 0
    shop.add("bar", "2")
    shop.add("foo", "1", needs=["bar (>= 2)"])
    shop.open()
    return shop


def flat(ended: Ended) -> str:
    return " ".join((ended.out + ended.err).split())


def version(shop: Shop, moss: Moss, name: str) -> str:
    found = re.search(rf"^{name} +(\S+)", moss(*shop.said("list", "installed")).out, re.MULTILINE)
    return found[1] if found else ""


def done(shop: Shop, moss: Moss, *words: str) -> Ended:
    ended = moss(*shop.said(*words, "-y"))
    assert ended.exit_code == 0, ended
    return ended


def test_a_pin_keeps_a_version_until_unpin(shop: Shop, moss: Moss) -> None:
    assert "Pin bar (= 1-1)" in flat(done(shop, moss, "pin", "bar"))
    assert re.search(
        r"Nothing to do: 1 newer version held back. Held bar 1-1 \(newest 2-1\) "
        r"you pinned bar to 1-1 \(moss pin bar, \d{4}-\d\d-\d\d\); "
        rf"moss -D {re.escape(str(shop.root))} unpin bar frees it",
        flat(moss(*shop.said("update", "-n"))),
    )
    assert "Unpin bar (= 1-1)" in flat(done(shop, moss, "unpin", "bar"))
    done(shop, moss, "update")
    assert version(shop, moss, "bar") == "2-1"


def test_a_pin_in_the_way_is_explained_and_its_repairs_work(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "pin", "bar")
    ended = moss(*shop.said("install", "-y", "foo"))
    assert ended.exit_code == 4
    told = flat(ended).replace(f"-D {shop.root} ", "")
    assert "foo cannot be installed because foo 1-1 needs bar (>= 2)" in told
    assert re.search(r"and you pinned bar to 1-1 \(moss pin bar, \d{4}-\d\d-\d\d\)", told)
    assert "1. moss unpin bar && moss install foo bar 1-1 → 2-1, foo 1-1 is installed, nothing else changes" in told
    for command in ("unpin bar", "install foo"):
        done(shop, moss, *command.split())
    assert version(shop, moss, "foo") == "1-1"


def test_a_pin_below_what_is_installed_downgrades(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "update")
    ended = done(shop, moss, "pin", "bar < 2")
    assert "Change bar 2-1 → 1-1 pinned: bar (< 2)" in flat(ended)
    assert version(shop, moss, "bar") == "1-1"


def test_a_pin_to_a_repository_takes_what_it_offers(shop: Shop, moss: Moss) -> None:
    shop.add("bar", "1.5", repository="other")
    assert moss(*shop.said("repo", "add", "other", str(shop.index("other")), "--unsigned")).exit_code == 0
    done(shop, moss, "update")
    done(shop, moss, "pin", "bar", "--from", "other")
    assert version(shop, moss, "bar") == "1.5-1"
    assert "nothing else" not in flat(moss(*shop.said("update", "-n")))
    assert "bar from other" in moss(*shop.said("list", "pins")).out


def test_a_wish_may_be_for_an_older_version_or_a_repository(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "update")
    done(shop, moss, "install", "bar < 2")
    assert version(shop, moss, "bar") == "1-1"
    assert "you asked for bar (< 2)" in flat(moss(*shop.said("update", "-n")))
    shop.add("bar", "3", repository="other")
    assert moss(*shop.said("repo", "add", "other", str(shop.index("other")), "--unsigned")).exit_code == 0
    done(shop, moss, "install", "bar", "--from", "shop")
    done(shop, moss, "update")
    assert version(shop, moss, "bar") == "2-1"
    done(shop, moss, "install", "bar from other")
    assert version(shop, moss, "bar") == "3-1"
    assert "bar from other" in moss(*shop.said("state", "show")).out
    wrong = moss(*shop.said("install", "foo", "--from", "other"))
    told = flat(wrong).replace(f"-D {shop.root} ", "")
    assert wrong.exit_code == 4 and "you asked for foo from other, and there is only foo 1-1 in shop" in told
    assert "moss install foo " in told, "any repository is a repair"


def test_a_hold_keeps_a_package_from_change_and_removal(shop: Shop, moss: Moss) -> None:
    assert "Hold bar" in flat(done(shop, moss, "hold", "bar"))
    done(shop, moss, "update")
    assert version(shop, moss, "bar") == "1-1"
    refused = moss(*shop.said("remove", "-y", "bar"))
    told = flat(refused).replace(f"-D {shop.root} ", "")
    assert refused.exit_code == 4 and "you hold bar at 1-1 (moss hold bar," in told
    assert "moss unhold bar && moss remove bar" in told
    done(shop, moss, "unhold", "bar")
    done(shop, moss, "remove", "bar")
    assert version(shop, moss, "bar") == ""


def test_going_back_brings_the_pins_of_that_time(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "pin", "bar")
    done(shop, moss, "hold", "bar")
    assert {line.split()[0] for line in moss(*shop.said("list", "pins")).out.splitlines()[1:]} == {"pin", "hold"}
    done(shop, moss, "rollback")
    assert moss(*shop.said("list", "pins")).out.count("hold") == 0
    done(shop, moss, "state", "activate", "1")
    assert moss(*shop.said("list", "pins")).out == "Nothing is pinned or held.\n"


def test_undo_takes_back_a_pin_and_a_hold(shop: Shop, moss: Moss) -> None:
    for verb in ("pin", "hold"):
        done(shop, moss, verb, "bar")
        done(shop, moss, "undo")
        assert moss(*shop.said("list", "pins")).out == "Nothing is pinned or held.\n"
        done(shop, moss, "undo")
        assert f"{verb} " in moss(*shop.said("list", "pins")).out
        done(shop, moss, f"un{verb}", "bar")


def test_contradictory_pins_are_a_conflict(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "hold", "bar")
    ended = moss(*shop.said("pin", "bar > 1", "-y"))
    told = flat(ended).replace(f"-D {shop.root} ", "")
    assert ended.exit_code == 4
    assert "you pinned bar to > 1" in told and "you hold bar at 1-1" in told
    assert "moss unhold bar && moss pin 'bar > 1'" in told
    for command in re.findall(r"moss (unhold bar) && moss (pin '[^']+')", told)[0]:
        done(shop, moss, *shlex.split(command))
    assert version(shop, moss, "bar") == "2-1"


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        ("unpin bar", 3, "bar is not pinned"),
        ("unhold bar", 3, "bar is not held"),
        ("hold foo", 3, "foo is not installed, so it cannot be held"),
        ("pin foo", 3, "there is no version to pin it to"),
        ("pin nonsense<3", 3, "there is no package nonsense"),
        ("pin binary(bar)", 2, "binary(bar) is a capability"),
        ("pin bar<<<3", 2, "is not something"),
    ],
)
def test_what_cannot_be_is_said(shop: Shop, moss: Moss, words: str, exit_code: int, said: str) -> None:
    ended = moss(*shop.said(*words.split(), "-y"))
    assert ended.exit_code == exit_code and said in flat(ended)


def test_a_pin_for_what_is_not_installed_counts_later(shop: Shop, moss: Moss) -> None:
    shop.add("foo", "2")
    shop.open()
    done(shop, moss, "pin", "foo < 2")
    done(shop, moss, "install", "foo")
    assert version(shop, moss, "foo") == "1-1"
