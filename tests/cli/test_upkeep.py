"""Upkeep comes after the answer: it keeps the house, holds nobody up, and never spoils what was done."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from moss.cli import changing
from moss.errors import CorruptData
from moss.operations import upkeep
from moss.operations.upkeep import DEFAULT_KEEP
from tests.cli.conftest import Moss, Place
from tests.cli.terminals import environment


def archives(place: Place) -> set[str]:
    return set(os.listdir(place.root / ".moss/root"))


def alternate(moss: Moss, place: Place, times: int) -> None:
    """Generation after generation, each a package away from the last."""
    for number in range(times):
        verb = "install" if number % 2 else "remove"
        assert moss("-D", place.root, verb, "-y", "hello").exit_code == 0


def test_generations_beyond_those_kept_feed_the_spare(place: Place, moss: Moss) -> None:
    alternate(moss, place, DEFAULT_KEEP - 1)
    assert archives(place) == {"1", "2", "3", "4"}
    alternate(moss, place, 2)
    assert archives(place) == {"spare", "3", "4", "5", "6"}
    alternate(moss, place, 4)
    assert archives(place) == {"spare", "7", "8", "9", "10"}


def test_what_is_foreign_in_the_old_tree_is_told_after_the_answer(place: Place, moss: Moss) -> None:
    (place.root / "usr/bin/stray").write_text("not ours")
    ended = moss("-D", place.root, "update", "-y", "--json")
    assert ended.exit_code == 0
    assert '"warnings": []' in ended.out
    assert "1 foreign (such as /usr/bin/stray)" in ended.err


def test_the_answer_is_out_before_upkeep_begins(
    place: Place, moss: Moss, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    monkeypatch.setattr(upkeep, "keep_house", lambda *_, **__: said.append(capfd.readouterr().out) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        moss("-D", place.root, "update", "-y")
    assert "Generation 2 is active" in said[0]


def test_upkeep_leaves_the_house_to_whoever_has_the_lock(
    place: Place, moss: Moss, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.root / "usr/bin/stray").write_text("not ours")
    real = changing.open_to_change
    held: list[int] = []

    def taken(*arguments: object, **named: object) -> object:
        if "(upkeep)" in str(named["command"]):
            held.append(os.open(place.root / ".moss/lock", os.O_RDWR))
            fcntl.flock(held[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(changing, "open_to_change", taken)
    ended = moss("-D", place.root, "update", "-y")
    assert held and (ended.exit_code, ended.err) == (0, "")
    os.close(held[0])


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), CorruptData("is broken", file="x")])
def test_what_goes_wrong_in_upkeep_does_not_spoil_what_was_done(
    place: Place, moss: Moss, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(upkeep, "keep_house", failing)
    ended = moss("-D", place.root, "update", "-y")
    assert ended.exit_code == 0
    assert ended.err == ("" if isinstance(fault, KeyboardInterrupt) else "warning: x: is broken\n")


def test_going_back_looks_through_no_tree(place: Place, moss: Moss) -> None:
    assert moss("-D", place.root, "update", "-y").exit_code == 0
    (place.root / "usr/bin/stray").write_text("not ours")
    assert moss("-D", place.root, "rollback", "-y").err == ""
    assert "stray" in moss("-D", place.root, "install", "-y", "greeting").err


def test_a_dry_run_and_nothing_to_do_keep_no_house(
    place: Place, moss: Moss, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "keep_house", lambda *_, **__: pytest.fail("upkeep ran"))
    assert moss("-D", place.root, "update", "-n").exit_code == 0
    assert moss("-D", place.root, "install", "-y", "hello").exit_code == 0


def test_a_reader_that_went_away_does_not_stop_upkeep(place: Place, tmp_path: Path) -> None:
    (place.root / "usr/bin/stray").write_text("not ours")
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [sys.executable, "-m", "moss", "-D", str(place.root), "update", "-y"],
        env=environment(), stdout=writing, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(writing)
    assert process.returncode == 0 and "stray" in process.stderr
