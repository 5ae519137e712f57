"""What an update holds back: told with its reason, and what moss says frees it does."""

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Ended, Moss
from tests.cli.shop import Shop


@pytest.fixture
def shop(tmp_path: Path, moss: Moss) -> Shop:
    """app needs lib below 2; lib 2 and app 1 are there, and tool, which nothing bars."""
    shop = Shop(tmp_path)
    shop.add("lib", "1")
    shop.add("app", "1", needs=["lib (< 2)"])
    shop.add("tool", "1")
    shop.open()
    assert moss(*shop.said("install", "-y", "tool", "lib")).exit_code == 0
    assert moss(*shop.said("install", "-y", "app")).exit_code == 0
    shop.add("lib", "2")
    shop.add("tool", "2")
    shop.open()
    return shop


def held(ended: Ended) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(ended.out)["data"]["plan"]["held"]
    return found


def test_an_update_says_what_is_held_back_and_what_frees_it(shop: Shop, moss: Moss) -> None:
    ended = moss(*shop.said("update", "-n"))
    text = " ".join(ended.out.split())
    assert "Change tool 1-1 → 2-1" in text
    assert f"Held lib 1-1 (newest 2-1) app 1-1 needs lib (< 2); moss -D {shop.root} remove app frees it" in text


def test_what_is_said_to_free_a_package_frees_it(shop: Shop, moss: Moss) -> None:
    (one,) = held(moss(*shop.said("update", "-n", "--json")))
    assert one["because"] and one["command"] == "moss remove app"
    assert moss(*shop.said(*shlex.split(str(one["command"]))[1:], "-y")).exit_code == 0
    assert "lib 1-1 → 2-1" in moss(*shop.said("update", "-n")).out


def test_what_would_go_is_named_and_the_newest_order_takes_it(tmp_path: Path, moss: Moss) -> None:
    shop = Shop(tmp_path)
    shop.add("lib", "1")
    shop.add("old", "1", needs=["lib (< 2)"])
    shop.add("app", "1", needs=["lib"], recommends=["old"])
    shop.open()
    assert moss(*shop.said("install", "-y", "app")).exit_code == 0
    shop.add("lib", "2")
    shop.open()
    (one,) = held(moss(*shop.said("update", "-n", "--json")))
    assert one["gone"] == ["old"] and one["command"] == "moss update lib --prefer newest"
    text = " ".join(moss(*shop.said("update", "-n")).out.split())
    assert f"old 1-1 needs lib (< 2); old would go: moss -D {shop.root} update lib --prefer newest" in text
    assert moss(*shop.said("update", "lib", "--prefer", "newest", "-y")).exit_code == 0
    assert held(moss(*shop.said("update", "-n", "--json"))) == []


def test_a_named_update_that_stays_says_why(shop: Shop, moss: Moss) -> None:
    assert "app 1-1 needs lib (< 2)" in " ".join(moss(*shop.said("update", "-n", "lib")).out.split())


def test_reasons_beyond_the_first_few_are_for_the_asking(tmp_path: Path, moss: Moss) -> None:
    shop = Shop(tmp_path)
    names = [f"lib{number}" for number in range(6)]
    for name in names:
        shop.add(name, "1")
    shop.add("app", "1", needs=[f"{name} (< 2)" for name in names])
    shop.open()
    assert moss(*shop.said("install", "-y", "app")).exit_code == 0
    for name in names:
        shop.add(name, "2")
    shop.open()
    few = held(moss(*shop.said("update", "-n", "--json")))
    assert [one["because"] is not None for one in few] == [True] * 3 + [False] * 3
    assert "moss update -n NAME tells why" in " ".join(moss(*shop.said("update", "-n")).out.split())
    assert all(one["because"] for one in held(moss(*shop.said("update", "-n", "-v", "--json"))))
