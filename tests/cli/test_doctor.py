"""doctor finds what is wrong, and each remedy that is a command of moss helps."""

import json
import os
import shlex
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from moss.operations import doctor as diagnosing
from tests.cli.conftest import Moss, Place
from tests.trees import differences


def sql(place: Place, *statements: str) -> None:
    with sqlite3.connect(place.root / ".moss/db/moss.db") as record:
        for statement in statements:
            record.execute(statement)
    record.close()


def open_to_others(place: Place) -> None:
    (place.root / ".moss").chmod(0o755)


def number_gone(place: Place) -> None:
    (place.root / ".moss/root/1/usr/.stateID").unlink()


def record_garbled(place: Place) -> None:
    for file in (place.root / ".moss/db").glob("moss.db*"):
        file.write_bytes(b"garbage" * 1000)


def copy_garbled(place: Place) -> None:
    (place.root / ".moss/copy/moss.db").write_bytes(b"garbage" * 1000)


def interrupted(place: Place) -> None:
    sql(place, "INSERT INTO journal (operation, command, phase, started_at) VALUES ('x', 'moss x', 'staging', 0)")


def unread(place: Place) -> None:
    uri = f"{place.repository.as_uri()}/stone.index"
    sql(place, f"INSERT INTO repository SELECT 'more', '{uri}', 0, 1, 'nobody', '', 0, 0")


def unreachable(place: Place) -> None:
    sql(place, "UPDATE repository SET uri = 'file:///nowhere/stone.index'")


def wish_unmet(place: Place) -> None:
    sql(place, "INSERT INTO wish (generation, position, wanted, why) SELECT generation, 9, 'greeting', '' FROM active")


def spare_gone(place: Place) -> None:
    sql(place, "INSERT INTO spare VALUES (1, 1, 1)")


PROBLEMS: dict[Callable[[Place], None], tuple[str, str]] = {
    open_to_others: ("permissions", "has mode 0755"),
    number_gone: ("trees", "generation 1 has no tree that says its number"),
    record_garbled: ("record", "is not a sound database"),
    copy_garbled: ("record", "the copy of the record is damaged"),
    interrupted: ("journal", "'moss x' was interrupted (staging)"),
    unread: ("repositories", "what more offers has not been read"),
    unreachable: ("repositories", "tour cannot be read: /nowhere/stone.index is not there"),
    spare_gone: ("trees", "the spare tree is gone"),
}


@pytest.fixture
def well(place: Place, moss: Moss) -> Place:
    """Two generations; the second is active."""
    assert moss("-D", place.root, "update", "-y").exit_code == 0
    return place


def found(moss: Moss, place: Place) -> tuple[int, list[dict[str, object]]]:
    ended = moss("-D", place.root, "doctor", "--json")
    return ended.exit_code, json.loads(ended.out)["data"]["findings"]


def test_a_healthy_system_has_no_problem(well: Place, moss: Moss) -> None:
    ended = moss("-D", well.root, "doctor")
    assert ended.exit_code == 0, ended
    assert ended.out.endswith("Nothing is wrong.\n")
    assert "nothing vouches for what tour offers" in ended.out


def test_an_empty_directory_is_healthy(tmp_path: Path, moss: Moss) -> None:
    assert moss("-D", tmp_path, "doctor").exit_code == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("break_it", PROBLEMS, ids=lambda one: one.__name__)
def test_a_problem_is_found_and_its_remedy_helps(
    well: Place, moss: Moss, break_it: Callable[[Place], None]
) -> None:
    break_it(well)
    area, said = PROBLEMS[break_it]
    exit_code, findings = found(moss, well)
    (problem,) = [one for one in findings if one["problem"]]
    assert exit_code == 1 and problem["area"] == area and said in str(problem["text"])
    remedy = str(problem["remedy"])
    text = moss("-D", well.root, "doctor").out
    assert "problem: " in text and "1 problem." in text
    if remedy.startswith("moss "):
        assert moss("-D", well.root, *shlex.split(remedy)[1:], "-y").exit_code in (0, 13)
    elif break_it is not unreachable:
        assert os.system(remedy) == 0
    if break_it is not unreachable:
        assert found(moss, well)[0] == 0, found(moss, well)
        assert differences(well.root) == []


def test_a_wish_that_nothing_grants_is_a_problem(place: Place, moss: Moss) -> None:
    assert moss("-D", place.root, "remove", "hello", "-y").exit_code == 0
    wish_unmet(place)
    exit_code, findings = found(moss, place)
    assert exit_code == 1 and any("you asked for greeting" in str(one["text"]) for one in findings)
    assert moss("-D", place.root, "sync", "-y").exit_code == 0
    assert found(moss, place)[0] == 0


def test_what_is_worth_knowing_is_a_note(well: Place, moss: Moss) -> None:
    (well.root / ".moss/lock").write_text(json.dumps({"pid": 2**22 + 1, "command": "moss x", "since": 0}))
    (well.root / ".moss/lost/3").mkdir(parents=True)
    exit_code, findings = found(moss, well)
    assert exit_code == 0
    areas = {str(one["area"]) for one in findings}
    assert {"lock", "trees", "repositories"} <= areas
    (well.root / ".moss/lock").write_text(json.dumps({"pid": os.getpid(), "command": "moss x", "since": 0}))
    assert any("is being changed by process" in str(one["text"]) for one in found(moss, well)[1])


def test_little_space_is_a_problem(well: Place, moss: Moss, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosing, "_LITTLE_SPACE", 1 << 60)
    exit_code, findings = found(moss, well)
    assert exit_code == 1 and any(one["area"] == "space" for one in findings)


def test_definitions_that_cannot_be_read_are_a_problem(well: Place, moss: Moss) -> None:
    folder = well.root / "etc/moss/subscriptions"
    folder.mkdir(parents=True)
    (folder / "a.kdl").write_text("subscription a { wants b }")
    ended = moss("-D", str(well.root), "doctor", "--json")
    assert ended.exit_code == 1
    (found,) = [one for one in json.loads(ended.out)["data"]["findings"] if one["area"] == "subscriptions"]
    assert found["problem"] and "a.kdl:1:18: 'wants' is not known here" in found["text"]
    assert f"mv {folder}/a.kdl {folder}/a.kdl.off" in found["remedy"]
    circle = 'subscription a { when "subscription(b)" }; subscription b { when "subscription(a)" }'
    (folder / "a.kdl").write_text(circle)
    told = json.loads(moss("-D", str(well.root), "doctor", "--json").out)["data"]["findings"]
    (found,) = [one for one in told if one["area"] == "subscriptions"]
    assert found["problem"] is False and "hang on each other in a circle" in found["text"]
