"""A generation from one machine to another, whole and by difference; what is refused; what stays as it was."""

import json
import os
from pathlib import Path

import pytest

from tests.builders import snapshot
from tests.bundle.conftest import Moss, Pair, done
from tests.trees import differences, found_tree

OWNERS = os.geteuid() == 0


def same_tree(pair: Pair) -> bool:
    ours, theirs = (found_tree(root / "usr", owners=OWNERS) for root in (pair.a, pair.b))
    ours.pop(".stateID")
    theirs.pop(".stateID")
    return ours == theirs


def pin(moss: Moss, pair: Pair) -> None:
    key = moss("-D", pair.a, "key", "show").out.strip()
    assert moss("-D", pair.b, "key", "pin", "office", key).exit_code == 0


def export(moss: Moss, pair: Pair, name: str, *words: object) -> Path:
    file = pair.files / name
    ended = moss("-D", pair.a, "export", *words, "-o", file)
    assert ended.exit_code == 0, ended
    return file


def sync(moss: Moss, pair: Pair, file: Path, *words: str) -> None:
    ended = moss("-D", pair.b, "sync", "--from", file, "-y", *words)
    assert ended.exit_code == 0, ended


def test_an_empty_root_becomes_the_same_generation(pair: Pair, moss: Moss) -> None:
    pin(moss, pair)
    sync(moss, pair, export(moss, pair, "full"))
    assert same_tree(pair)
    assert differences(pair.b) == []
    there = [json.loads(moss("-D", root, "--json", "list", "installed").out)["data"] for root in (pair.a, pair.b)]
    assert there[0] == there[1]


def test_a_bundle_for_a_receipt_holds_what_is_lacking_and_rollback_goes_back(pair: Pair, moss: Moss) -> None:
    pin(moss, pair)
    first = export(moss, pair, "first", "1")
    sync(moss, pair, first)
    assert moss("-D", pair.b, "receipt", "-o", pair.files / "receipt").exit_code == 0
    second = export(moss, pair, "second", "--for", pair.files / "receipt")
    held = json.loads(moss("bundle", "inspect", second, "--json").out)["data"]
    assert sorted(one["name"] for one in held["packages"] if one["carried"]) == ["extra", "tool"]
    # bin/tool and share/tool/large as differences; new and extra whole; all else is there already.
    assert (held["deltas"], held["contents"]) == (2, 2)
    assert second.stat().st_size < first.stat().st_size
    sync(moss, pair, second)
    assert same_tree(pair)
    assert differences(pair.b) == []
    assert moss("-D", pair.b, "rollback", "-y").exit_code == 0
    assert differences(pair.b) == []
    assert (pair.b / "usr/share/tool/gone").exists()


def test_since_a_generation_is_enough_for_who_has_that(pair: Pair, moss: Moss) -> None:
    sync(moss, pair, export(moss, pair, "first", "1"), "--unsigned")
    sync(moss, pair, export(moss, pair, "second", "--since", "1"), "--unsigned")
    assert same_tree(pair)


def test_what_is_already_so_is_not_done_again(pair: Pair, moss: Moss) -> None:
    file = export(moss, pair, "full")
    sync(moss, pair, file, "--unsigned")
    ended = moss("-D", pair.b, "sync", "--from", file, "-y", "--unsigned")
    assert ended.exit_code == 0 and "Nothing to do" in ended.out
    assert (pair.b / "usr/.stateID").read_text().strip() == "1"


def test_a_dry_run_shows_the_plan_and_changes_nothing(pair: Pair, moss: Moss) -> None:
    pair.b.mkdir()
    before = snapshot(pair.b)
    ended = moss("-D", pair.b, "sync", "--from", export(moss, pair, "full"), "-n", "--unsigned")
    assert ended.exit_code == 0
    assert "tool 2-1" in ended.out and "you asked for it" in ended.out and "needed by tool" in ended.out
    assert snapshot(pair.b) == before


def test_repositories_and_keys_stay_as_they_were(pair: Pair, moss: Moss) -> None:
    done("-D", pair.b, "repo", "add", "mine", pair.packages / "stone.index", "--unsigned", "-q")
    pin(moss, pair)
    before = moss("-D", pair.b, "repo", "list").out, moss("-D", pair.b, "key", "list").out
    sync(moss, pair, export(moss, pair, "full"))
    assert (moss("-D", pair.b, "repo", "list").out, moss("-D", pair.b, "key", "list").out) == before


def test_the_wishes_and_reasons_come_along(pair: Pair, moss: Moss) -> None:
    sync(moss, pair, export(moss, pair, "full"), "--unsigned")
    ended = moss("-D", pair.b, "remove", "-y", "tool")
    assert ended.exit_code == 0, ended
    assert moss("-D", pair.b, "list", "installed", "--json").out.count('"name"') == 0


@pytest.mark.parametrize("words", [(), ("--unsigned",)])
def test_an_older_bundle_of_the_same_exporter_is_refused(pair: Pair, moss: Moss, words: tuple[str, ...]) -> None:
    pin(moss, pair)
    old = export(moss, pair, "old", "1")
    sync(moss, pair, export(moss, pair, "new"))
    before = snapshot(pair.b, without=(".moss/db",))
    ended = moss("-D", pair.b, "sync", "--from", old, "-y", *words)
    assert ended.exit_code == 6 and "older" in ended.err
    assert snapshot(pair.b, without=(".moss/db",)) == before
    # Going back does not take back how far the exporter had counted.
    sync(moss, pair, export(moss, pair, "anew", "1"), *words)
    assert moss("-D", pair.b, "rollback", "-y").exit_code == 0
    assert moss("-D", pair.b, "sync", "--from", old, "-y", *words).exit_code == 6


def test_who_is_not_pinned_is_not_believed(pair: Pair, moss: Moss) -> None:
    file = export(moss, pair, "full")
    ended = moss("-D", pair.b, "sync", "--from", file, "-y")
    assert ended.exit_code == 6
    assert "key pin" in ended.err and "--unsigned" in ended.err
    assert not (pair.b / "usr").exists()
    sync(moss, pair, file, "--unsigned")


def test_a_bundle_that_nobody_signed_needs_a_word(pair: Pair, moss: Moss) -> None:
    assert moss("-D", pair.a, "key", "remove", "own", "-y").exit_code == 0
    file = pair.files / "unsigned"
    ended = moss("-D", pair.a, "export", "-o", file)
    assert ended.exit_code == 0 and "not signed" in ended.err
    ended = moss("-D", pair.b, "sync", "--from", file, "-y")
    assert ended.exit_code == 6 and "not signed" in ended.err
    sync(moss, pair, file, "--unsigned")


def test_what_it_builds_on_must_be_there(pair: Pair, moss: Moss) -> None:
    sync(moss, pair, export(moss, pair, "first", "1"), "--unsigned")
    assert moss("-D", pair.b, "receipt", "-o", pair.files / "receipt").exit_code == 0
    second = export(moss, pair, "second", "--for", pair.files / "receipt")
    other = pair._replace(b=pair.b.with_name("c"))
    ended = moss("-D", other.b, "sync", "--from", second, "-y", "--unsigned")
    assert ended.exit_code == 3
    assert "library 1-1" in ended.err and "was made for the system" in ended.err and "moss receipt" in ended.err
    assert not (other.b / "usr").exists()


def test_a_base_that_is_gone_again_is_told(pair: Pair, moss: Moss) -> None:
    sync(moss, pair, export(moss, pair, "first", "1"), "--unsigned")
    assert moss("-D", pair.b, "receipt", "-o", pair.files / "receipt").exit_code == 0
    second = export(moss, pair, "second", "--for", pair.files / "receipt")
    assert moss("-D", pair.b, "remove", "-y", "tool").exit_code == 0
    assert moss("-D", pair.b, "state", "remove", "1", "-y").exit_code == 0
    assert moss("-D", pair.b, "cache", "clean", "-y").exit_code == 0
    before = snapshot(pair.b, without=(".moss/db",))
    ended = moss("-D", pair.b, "sync", "--from", second, "-y", "--unsigned")
    assert ended.exit_code == 3 and "moss receipt" in ended.err
    assert snapshot(pair.b, without=(".moss/db",)) == before


def test_files_are_told_apart(pair: Pair, moss: Moss) -> None:
    bundle = export(moss, pair, "full")
    receipt = pair.files / "receipt"
    assert moss("-D", pair.a, "receipt", "-o", receipt).exit_code == 0
    stone = next(pair.packages.glob("tool-1-*.stone"))
    for wrong in (receipt, stone, pair.packages / "stone.index"):
        ended = moss("-D", pair.b, "sync", "--from", wrong, "-y")
        assert ended.exit_code == 7 and "a bundle is wanted" in " ".join(ended.err.split())
    ended = moss("-D", pair.a, "export", "--for", bundle, "-o", pair.files / "x")
    assert ended.exit_code == 7 and "a receipt is wanted" in " ".join(ended.err.split())
    ended = moss("inspect", bundle)
    assert ended.exit_code == 7 and "moss bundle inspect" in ended.err
    assert moss("-D", pair.b, "sync", "--from", pair.files / "absent", "-y").exit_code == 3


def test_another_content_with_the_same_digest_in_the_store_is_refused(pair: Pair, moss: Moss) -> None:
    """XXH3 is no proof: what the store has is compared with what arrives."""
    sync(moss, pair, export(moss, pair, "first", "1"), "--unsigned")
    shared = pair.b / "usr/lib/library.so.1"
    shared.write_bytes(b"changed" + shared.read_bytes()[7:])
    ended = moss("-D", pair.b, "sync", "--from", export(moss, pair, "second"), "-y", "--unsigned")
    assert ended.exit_code == 7 and "have one digest" in ended.err
    assert (pair.b / "usr/.stateID").read_text().strip() == "1"
