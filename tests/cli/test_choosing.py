"""--prefer, --solver-time and -v: what makes an answer better, how long it may take, what was proven."""

import json
from itertools import count
from pathlib import Path

import pytest

from moss.operations import propose
from tests.cli.conftest import Moss
from tests.cli.shop import Shop


@pytest.fixture
def shop(tmp_path: Path, moss: Moss) -> Shop:
    """The newest app cannot be had beside old, which app recommends."""
    shop = Shop(tmp_path)
    shop.add("old", "1")
    shop.add("app", "1", recommends=["old"])
    shop.open()
    assert moss(*shop.said("install", "-y", "app")).exit_code == 0
    shop.add("app", "2", conflicts=["old"])
    shop.open()
    return shop


def test_preferences_are_chosen_by_name_or_by_measure(shop: Shop, moss: Moss) -> None:
    def plan(*more: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(moss(*shop.said("update", "-n", "--json", *more)).out)["data"]["plan"]
        return found

    usual, newest = plan(), plan("--prefer", "newest")
    assert usual["changes"] == [] and len(usual["held"]) == 1  # type: ignore[arg-type]
    assert len(newest["changes"]) == len(newest["removals"]) == 1  # type: ignore[arg-type]
    assert plan("--prefer=-notupdated,-removed")["removals"] == newest["removals"]
    assert plan("--prefer", "fewest-removals") | {"proof": 0, "space": 0} == usual | {"proof": 0, "space": 0}


def test_verbose_shows_every_level_with_its_proven_cost(shop: Shop, moss: Moss) -> None:
    text = " ".join(moss(*shop.said("update", "-n", "-v", "--prefer=-notupdated,-removed,-new")).out.split())
    assert "Proof notupdated 0 › removed 1 › new 0 (-notupdated,-removed,-new; each the least there is, given" in text
    usual = " ".join(moss(*shop.said("install", "-n", "-v", "old")).out.split())
    assert "Proof removed 0 › downgraded 0 › notupdated 0" in usual and "(fewest-removals; each the least" in usual


@pytest.mark.parametrize("order", ["fastest", "+new", "-removed,-cheapest", ""])
def test_an_order_that_is_none_is_refused_with_those_there_are(order: str, shop: Shop, moss: Moss) -> None:
    ended = moss(*shop.said("update", "-n", f"--prefer={order}"))
    assert ended.exit_code == 2
    said = " ".join(ended.err.split())
    assert "is no order of preferences" in said and "fewest-removals, newest" in said and "-notupdated" in said


def test_no_time_at_all_is_said(shop: Shop, moss: Moss) -> None:
    ended = moss(*shop.said("update", "-n", "--prefer", "newest", "--solver-time", "0"))
    assert ended.exit_code == 1
    assert "no answer was found in 0 seconds" in ended.err and "--solver-time" in ended.err
    assert moss(*shop.said("update", "-n", "--solver-time", "-1")).exit_code == 2


def test_when_the_time_ends_the_best_so_far_is_not_called_proven(
    shop: Shop, moss: Moss, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that goes a second at each look, so that the time ends after the first answer."""
    clock = count()
    monkeypatch.setattr(propose.time, "monotonic", lambda: float(next(clock)))
    ended = moss(*shop.said("update", "-n", "-v", "--prefer", "newest", "--solver-time", "1.5"))
    assert ended.exit_code == 0
    said = " ".join(ended.out.split())
    assert "the best found in" in said and "not proven optimal" in said and "reached, not proven the least" in said
