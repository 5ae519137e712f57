"""A generation from one machine to another, whole and by difference; what is refused; what stays as it was."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import metadata, snapshot, write_package
from tests.bundle.conftest import Moss, Pair, done
from tests.conftest import PROJECT
from tests.trees import differences, found_tree

OWNERS = os.geteuid() == 0


def same_tree(pair: Pair) -> bool:
    ours, theirs = (found_tree(root / "usr", owners=OWNERS) for root in (pair.a, pair.b))
    for name in (".stateID", ".system-model.kdl"):
        ours.pop(name)
        theirs.pop(name)
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


def test_subscriptions_come_along(pair: Pair, moss: Moss) -> None:
    folder = pair.a / "etc/moss/subscriptions"
    folder.mkdir(parents=True)
    (folder / "a.kdl").write_text("subscription a { values; want tool }; subscription b { want tool }")
    for words in (("subscribe", "a", "x", "y", "--why", "work"), ("unsubscribe", "b")):
        assert moss("-D", pair.a, *words, "-y").exit_code == 0
    sync(moss, pair, export(moss, pair, "full"), "--unsigned")
    (pair.b / "etc/moss").mkdir(parents=True, exist_ok=True)
    folder.rename(pair.b / "etc/moss/subscriptions")
    told = json.loads(moss("-D", pair.b, "subscriptions", "--json").out)["data"]
    assert [(one["name"], one["setting"], one["values"]) for one in told] == [("a", "on", ["x", "y"]), ("b", "off", [])]
    assert told[0]["because"].startswith("you chose x, y (work)")


def test_pins_and_holds_come_along(pair: Pair, moss: Moss) -> None:
    for verb in ("pin", "hold"):
        assert moss("-D", pair.a, verb, "tool", "-y").exit_code == 0
    said = moss("-D", pair.a, "list", "pins", "--json").out
    sync(moss, pair, export(moss, pair, "full"), "--unsigned")
    assert moss("-D", pair.b, "list", "pins", "--json").out == said and said.count('"kind"') == 2


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
    assert ended.exit_code == 6 and "not signed" in " ".join(ended.err.split())
    sync(moss, pair, file, "--unsigned")


def test_what_it_builds_on_must_be_there(pair: Pair, moss: Moss) -> None:
    sync(moss, pair, export(moss, pair, "first", "1"), "--unsigned")
    assert moss("-D", pair.b, "receipt", "-o", pair.files / "receipt").exit_code == 0
    second = export(moss, pair, "second", "--for", pair.files / "receipt")
    other = pair._replace(b=pair.b.with_name("c"))
    ended = moss("-D", other.b, "sync", "--from", second, "-y", "--unsigned")
    assert ended.exit_code == 3
    assert "library 1-1" in ended.err and "was made for the system" in ended.err
    assert f"moss -D {other.b} receipt" in ended.err
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
    assert ended.exit_code == 3 and f"moss -D {pair.b} receipt" in ended.err
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


def test_a_bundle_is_a_repository(pair: Pair, moss: Moss) -> None:
    """What it carries can be installed on its own, whether or not the system became like the exporter's."""
    pin(moss, pair)
    first = export(moss, pair, "first", "1")
    sync(moss, pair, first)
    assert moss("-D", pair.b, "receipt", "-o", pair.files / "receipt").exit_code == 0
    second = export(moss, pair, "second", "--for", pair.files / "receipt")
    ended = moss("-D", pair.b, "repo", "add", "stick", f"bundle:{second}")
    assert ended.exit_code == 0 and "2 packages" in ended.out
    assert moss("-D", pair.b, "install", "-y", "extra").exit_code == 0
    assert differences(pair.b) == []
    assert (pair.b / "usr/share/extra").exists() and (pair.b / "usr/share/tool/gone").exists()
    # An update takes the newer version, patches included.
    assert moss("-D", pair.b, "update", "-y").exit_code == 0
    assert differences(pair.b) == []
    assert "2-1 (x86_64)" in moss("-D", pair.b, "info", "tool").out


def test_a_bundle_as_a_repository_is_judged_when_it_is_read_and_when_it_is_used(pair: Pair, moss: Moss) -> None:
    file = export(moss, pair, "full")
    ended = moss("-D", pair.b, "repo", "add", "stick", f"bundle:{file}")
    assert ended.exit_code == 6 and "not pinned" in " ".join(ended.err.split())
    assert "stick" not in moss("-D", pair.b, "repo", "list").out
    pin(moss, pair)
    assert moss("-D", pair.b, "repo", "add", "stick", f"bundle:{file}").exit_code == 0
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    ended = moss("-D", pair.b, "install", "-y", "tool")
    assert ended.exit_code == 7
    assert not (pair.b / "usr").exists()
    file.write_bytes(whole)
    # A newer one in its place is fine, and then the older one is not any more.
    export(moss, pair, "full")
    assert moss("-D", pair.b, "repo", "update").exit_code == 0
    file.write_bytes(whole)
    assert moss("-D", pair.b, "repo", "update").exit_code == 6
    assert moss("-D", pair.b, "install", "-y", "tool").exit_code == 6
    file.unlink()
    assert moss("-D", pair.b, "install", "-y", "tool").exit_code == 3


def test_contents_of_several_blocks_arrive_through_pipes(pair: Pair, moss: Moss) -> None:
    """Blocks are packed and unpacked in several threads; one content lies in several blocks."""
    folder, made = pair.files / "more", pair.files / "made"
    seed = random.Random(5)
    large = {f"share/large/{number}": seed.randbytes(1 << 20) * 3 for number in range(8)}
    write_package(folder, metadata("large"), {**large, "share/large/whole": seed.randbytes(17 << 20)})
    done("index", folder, "-q")
    done("-D", made, "repo", "add", "more", folder / "stone.index", "--unsigned", "-q")
    done("-D", made, "install", "-y", "large", "-q")
    moss_here = [sys.executable, "-m", "moss", "-q", "-D"]
    exporting = subprocess.Popen([*moss_here, made, "export", "-o", "-"], stdout=subprocess.PIPE, cwd=PROJECT)
    importing = [*moss_here, pair.b, "sync", "--from", "-", "-y", "--unsigned"]
    assert subprocess.run(importing, stdin=exporting.stdout, cwd=PROJECT).returncode == 0
    assert exporting.wait() == 0
    assert differences(pair.b) == []
    file = pair.files / "large.bundle"
    assert moss("-D", made, "export", "-o", file).exit_code == 0
    assert moss("bundle", "verify", file).exit_code == 0
    other = pair.b.with_name("c")
    done("-D", other, "repo", "add", "stick", f"bundle:{file}", "--unsigned", "-q")
    done("-D", other, "install", "-y", "large", "-q")
    assert differences(other) == []


def test_standard_input_is_asked_nothing(pair: Pair, moss: Moss) -> None:
    ended = moss("-D", pair.b, "sync", "--from", "-", "--unsigned")
    assert ended.exit_code == 2 and "standard input is the bundle" in " ".join(ended.err.split())


def test_what_signs_is_never_shown(pair: Pair, moss: Moss) -> None:
    (secret,) = (pair.a / ".moss/keys").iterdir()
    words = secret.read_text().strip().partition(":")[2]
    assert secret.stat().st_mode & 0o777 == 0o600
    for command in ("list", "show"):
        for options in ((), ("--json",), ("-v",)):
            ended = moss("-D", pair.a, "key", command, *options)
            assert words not in ended.out + ended.err
    assert words not in export(moss, pair, "full").read_bytes().hex()


def test_one_of_several_keys_must_be_named(pair: Pair, moss: Moss) -> None:
    assert moss("-D", pair.a, "key", "make", "second").exit_code == 0
    ended = moss("-D", pair.a, "export", "-o", pair.files / "x")
    assert ended.exit_code == 2 and "--key" in ended.err
    file = export(moss, pair, "x", "--key", "second")
    key = moss("-D", pair.a, "key", "show", "second").out.strip()
    assert moss("bundle", "verify", file, "--key", key).exit_code == 0
    own = moss("-D", pair.a, "key", "show", "own").out.strip()
    assert moss("bundle", "verify", file, "--key", own).exit_code == 6


def test_a_key_that_is_none_is_refused(pair: Pair, moss: Moss) -> None:
    for text in ("", "moss-key-1:abc", "x" * 300, "moss-key-1:" + "G" * 64):
        assert moss("-D", pair.b, "key", "pin", "office", text).exit_code == 2
    key = moss("-D", pair.a, "key", "show").out.strip()
    assert moss("-D", pair.b, "key", "pin", "office", key).exit_code == 0
    assert moss("-D", pair.b, "key", "pin", "again", key).exit_code == 2
    assert moss("-D", pair.b, "key", "pin", "office", "moss-key-1:" + "0" * 64).exit_code == 2
    assert moss("-D", pair.b, "key", "remove", "office", "-y").exit_code == 0
    assert moss("-D", pair.b, "key", "show", "office").exit_code == 3
