"""The text of the model goes with a bundle as a person wrote it; what a receiver has of its own stays."""

import sqlite3
from pathlib import Path

import pytest

from moss.bundle.manifest import decode_manifest
from moss.bundle.read import open_bundle
from moss.errors import CorruptData
from moss.operations.model_texts import text_in_bundle
from moss.stone.container import Place
from solver.values import replace
from tests.bundle.conftest import Moss, Pair
from tests.bundle.test_sync import export, pin, sync

MODEL = "etc/moss/system-model.kdl"
NOTE = "// The machine of the second floor.\n"


def note(root: Path, line: str = NOTE) -> None:
    path = root / MODEL
    path.write_text(line + path.read_text())


@pytest.fixture
def written(pair: Pair, moss: Moss) -> Pair:
    """A system whose model has comments, and another one that pins its key."""
    pin(moss, pair)
    note(pair.a)
    return pair


def test_comments_arrive_and_repositories_do_not(written: Pair, moss: Moss) -> None:
    sync(moss, written, export(moss, written, "full"))
    there, here = ((root / MODEL).read_text() for root in (written.a, written.b))
    assert there.startswith(NOTE) and here.startswith(NOTE)
    assert "stone.index" in there and "stone.index" not in here
    assert here[here.index("packages {") :] == there[there.index("packages {") :]
    assert moss("-D", written.b, "sync", "-n").out.startswith("Nothing to do")
    assert moss("-D", written.b, "state", "export").out == here


def test_pins_and_holds_arrive_with_what_is_written_of_them(written: Pair, moss: Moss) -> None:
    for words in (("pin", "tool=2"), ("hold", "library")):
        ended = moss("-D", written.a, *words, "-y")
        assert ended.exit_code == 0, ended
    sync(moss, written, export(moss, written, "full"))
    here = (written.b / MODEL).read_text()
    assert here.startswith(NOTE) and "pins {" in here and "hold=#true" in here
    assert moss("-D", written.b, "sync", "-n").out.startswith("Nothing to do")


def test_the_text_of_an_older_generation_is_the_one_it_was_made_with(written: Pair, moss: Moss) -> None:
    sync(moss, written, export(moss, written, "first", "1"))
    assert NOTE not in (written.b / MODEL).read_text()
    assert moss("-D", written.a, "remove", "tool", "-y").exit_code == 0  # its text has the note
    assert moss("-D", written.a, "rollback", "-y").exit_code == 0
    sync(moss, written, export(moss, written, "third", "3"))
    assert NOTE in (written.b / MODEL).read_text()


def test_a_file_that_cannot_be_read_leaves_what_is_on_record(written: Pair, moss: Moss) -> None:
    assert moss("-D", written.a, "remove", "tool", "-y").exit_code == 0  # its text has the note
    (written.a / MODEL).write_text("packages {")
    with open(export(moss, written, "full"), "rb") as file:
        text = open_bundle(file, "full", lambda _: None).manifest.model_text
    assert text is not None and text.startswith(NOTE) and "stone.index" not in text


def test_repositories_of_the_receiver_stay_in_its_file(written: Pair, moss: Moss) -> None:
    index = written.packages / "stone.index"
    assert moss("-D", written.b, "repo", "add", "own", index, "--unsigned").exit_code == 0
    sync(moss, written, export(moss, written, "full"))
    assert (written.b / MODEL).read_text().count("own {") == 1
    assert moss("-D", written.b, "sync", "-n").out.startswith("Nothing to do")


def test_what_somebody_has_written_here_stays_and_going_back_brings_back_what_was(written: Pair, moss: Moss) -> None:
    sync(moss, written, export(moss, written, "first", "1"))
    before = (written.b / MODEL).read_text()
    note(written.b, "// Mine.\n")
    sync(moss, written, export(moss, written, "second"))
    here = (written.b / MODEL).read_text()
    assert here.startswith("// Mine.\n") and NOTE not in here
    assert moss("-D", written.b, "rollback", "-y").exit_code == 0
    assert (written.b / MODEL).read_text() == before


def test_a_text_that_says_something_else_does_not_go_with_it(written: Pair, moss: Moss) -> None:
    with sqlite3.connect(written.a / ".moss/db/moss.db") as record:
        record.execute("UPDATE generation SET model_text = replace(model_text, 'packages {', 'packages { other;')")
    (written.a / MODEL).unlink()
    sync(moss, written, export(moss, written, "full"))
    here = (written.b / MODEL).read_text()
    assert NOTE not in here and "other" not in here
    assert moss("-D", written.b, "sync", "-n").out.startswith("Nothing to do")


@pytest.mark.parametrize("text", ["packages { vim; }", "packages {", "packages { vim (1) }", "packages 1"])
def test_a_bundle_that_contradicts_itself_is_refused(written: Pair, moss: Moss, text: str) -> None:
    with open(export(moss, written, "full"), "rb") as file:
        manifest = open_bundle(file, "full", lambda _: None).manifest
    with pytest.raises(CorruptData, match="the text of its system model cannot be taken") as caught:
        text_in_bundle(replace(manifest, model_text=text), "full")
    assert caught.value.remedies
    assert text_in_bundle(replace(manifest, model_text=None), "full") is None


def test_a_very_long_text_does_not_go_with_it(written: Pair, moss: Moss) -> None:
    note(written.a, f"// {'x' * (1 << 20)}\n")
    sync(moss, written, export(moss, written, "full"))
    assert (written.b / MODEL).stat().st_size < 1000
    assert moss("-D", written.b, "sync", "-n").out.startswith("Nothing to do")


def test_what_is_no_text_is_refused(written: Pair, moss: Moss) -> None:
    with open(export(moss, written, "full"), "rb") as file:
        manifest = open_bundle(file, "full", lambda _: None).manifest
    plain = manifest.encode()
    assert decode_manifest(plain, Place("full", 0, "manifest")) == manifest
    with pytest.raises(CorruptData, match="'model_text' is no text"):
        decode_manifest(replace(manifest, model_text="x" * ((1 << 20) + 1)).encode(), Place("full", 0, "manifest"))
