"""What is caught of triggers is all that they did: with it the tree is what their programs make of a plain one."""

import os
import random
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from moss.digest import ContentDigest
from moss.errors import TriggerFailed
from moss.layout import EntryKind
from moss.operations.verify import verify
from moss.triggers.capture import Captured, capture
from moss.triggers.private_copy import PrivateCopy
from tests.builders import Content, Dir, Link, snapshot
from tests.trees import differences
from tests.triggers.sandboxes import caught, run, sandbox, shell
from tests.triggers.shells import BUSYBOX, needs_busybox
from tests.triggers.worlds import World, failing

pytestmark = needs_busybox

SLOW = bool(os.environ.get("MOSS_SLOW"))
ACTS = (
    "busybox mkdir -p {above}; echo {number} > {a}",
    "busybox rm -r {a}",
    "busybox rm -r {a}; busybox mkdir -p {a}/c",
    "busybox mkdir -p {a}",
    "test -e {b} -o -L {b} || busybox mv {a} {b}",
    "busybox ln -s {name} {a}",
    "busybox ln {a} {b}",
    "test -L {a} || busybox chmod 700 {a}",
    "busybox touch -c {a}",
    "test -f {a} && said=$(busybox cat {a}) && echo $said > {a}",
    "busybox rm -r {a} && busybox cp -a {b} {a}",
    "busybox rm {a} && busybox mkdir {a} && echo x > {a}/c",
)
State = dict[str, object]


def some_path(chance: random.Random) -> str:
    return "/".join(chance.choice("abcd") for _ in range(chance.randrange(1, 4)))


def invented_tree(chance: random.Random, top: Path) -> None:
    for _ in range(20):
        path = top / some_path(chance)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            match chance.randrange(4):
                case 0:
                    path.mkdir()
                case 1:
                    path.symlink_to(chance.choice("abcd"))
                case _:
                    path.write_text(f"{chance.randrange(3)}\n")
        except OSError:  # something else is there, or above
            continue


def invented_script(chance: random.Random) -> str:
    acts = ["umask 022"]
    for _ in range(chance.randrange(1, 8)):
        a, b = some_path(chance), some_path(chance)
        act = chance.choice(ACTS)
        above, name = a.rpartition("/")[0] or ".", chance.choice("abcd")
        acts.append(f"{{ {act.format(a=a, b=b, above=above, name=name, number=chance.randrange(3))}; }} 2>/dev/null")
    return "\n".join((*acts, "true"))


def with_it(before: Mapping[str, object], captured: Captured) -> State:
    """A tree as it was, and what was caught."""
    contents: dict[ContentDigest, bytes] = {digest: Path(path).read_bytes() for digest, path in captured.contents}
    after = {path: what for path, what in before.items() if path not in captured.removed}
    for entry in captured.entries:
        what = contents[entry.digest] if entry.digest is not None else entry.link_target
        after[entry.path] = (entry.mode, what if entry.kind is not EntryKind.DIRECTORY else None)
    return after


def plainly(script: str, place: Path) -> State:
    """What the programs make of a plain tree."""
    assert BUSYBOX is not None
    subprocess.run([BUSYBOX, "sh", "-c", script], cwd=place / "t", check=True, capture_output=True)
    return snapshot(place)


@pytest.mark.slow_too
@pytest.mark.parametrize("seed", range(100 if SLOW else 8))
def test_of_an_overlay(seed: int, tree: Path) -> None:
    chance = random.Random(seed)
    invented_tree(chance, tree / "t")
    plain = tree.parent / "plain"
    shutil.copytree(tree, plain, symlinks=True)
    before = snapshot(tree)
    first = sandbox(tree, "first")
    for place in (first, sandbox(tree, "second", [first])):
        script = invented_script(chance)
        assert run(place, shell(f"cd /usr/t\n{script}")).failure is None
        after = plainly(script, plain)
        assert with_it(before, caught(place)) == after, script
        before = after


@pytest.mark.slow_too
@pytest.mark.parametrize("seed", range(300 if SLOW else 20))
def test_of_a_private_copy(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    tree, plain = tmp_path / "tree", tmp_path / "plain"
    invented_tree(chance, tree / "t")
    shutil.copytree(tree, plain, symlinks=True)
    copy = PrivateCopy(str(tree), str(tmp_path / "copy"))
    before, seen = snapshot(tree), list[str]()
    for name in ("first", "second"):
        (upper := tmp_path / name).mkdir()
        script = invented_script(chance)
        copy.begin(seen)
        plainly(script, tmp_path / "copy")
        copy.end(str(upper))
        assert snapshot(tmp_path / "copy") == snapshot(tree), script
        after = plainly(script, plain)
        captured = capture(str(upper), [*reversed(seen), str(tree)], "t", gone=copy.gone)
        assert with_it(before, captured) == after, script
        before = after
        seen.append(str(upper))


TRIGGER = """
name: failing
handlers:
    do:
        run: /usr/bin/sh
        args:
            - -c
            - |
                cd /usr/share/t
                {}
paths: {{/usr/share/items/*: {{handlers: [do]}}}}
"""


def content_of(path: Path) -> Content:
    if path.is_symlink():
        return Link(os.readlink(path))
    return Dir() if path.is_dir() else path.read_text()


@pytest.mark.slow_too
@pytest.mark.parametrize("seed", range(100 if SLOW else 5))
def test_of_a_generation(seed: int, world: World, tmp_path: Path) -> None:
    chance, plain = random.Random(seed), tmp_path / "plain"
    invented_tree(chance, plain / "t")
    script = invented_script(chance)
    own = failing(world, tmp_path, TRIGGER.format(script.replace("\n", "\n" + 16 * " ")))
    (plain / "t").mkdir(exist_ok=True)
    own.publish("t", {f"share/{path.relative_to(plain)}": content_of(path) for path in sorted(plain.rglob("*"))})
    own.refresh()
    try:
        own.install("t", "failing")
    except TriggerFailed as fault:
        assert "which is a link in the new generation" in fault.message, script
    else:
        made = {path: what for path, what in snapshot(own.root / "usr/share").items() if path.startswith("t/")}
        assert made == {path: what for path, what in plainly(script, plain).items() if path != "t"}, script
        with own.open() as system:
            assert verify(system).is_clean
    assert differences(own.root) == []


def links_and_directories(tree: Path) -> None:
    (tree / "share/link").symlink_to("old")
    (tree / "share/loop").symlink_to("loop")
    (tree / "share/old/deep").mkdir()
    (tree / "share/old/deep/c").write_text("c")


def test_a_directory_in_the_place_of_a_link_is_not_what_the_link_led_to(tree: Path) -> None:
    links_and_directories(tree)
    place = sandbox(tree)
    text = "cd /usr/share; busybox rm link loop; busybox mkdir link loop; busybox cp old/a link/a; echo > loop/x"
    assert run(place, shell(text)).failure is None
    assert [one.path for one in caught(place).entries] == ["share/link", "share/link/a", "share/loop", "share/loop/x"]


def test_what_was_below_a_directory_that_is_made_anew_is_gone(tree: Path) -> None:
    links_and_directories(tree)
    first = sandbox(tree, "first")
    assert run(first, shell("cd /usr/share; busybox rm -r old; busybox mkdir -p old/deep")).failure is None
    assert caught(first).removed == ("share/old/a", "share/old/b", "share/old/deep/c")
    second = sandbox(tree, "second", [first])
    assert run(second, shell("busybox printf c > /usr/share/old/deep/c")).failure is None
    assert [one.path for one in caught(second).entries] == ["share/old/deep/c"], "though the tree's was the same"


def test_a_link_in_the_place_of_a_directory_leads_nobody_out_of_a_copy(tmp_path: Path) -> None:
    for name in ("outside", "upper", "tree/t/d"):
        (tmp_path / name).mkdir(parents=True)
    for name in "abc":
        (tmp_path / "tree/t/d" / name).write_text(name)
    copy = PrivateCopy(str(tmp_path / "tree"), str(tmp_path / "copy"))
    copy.begin(())
    plainly(f"busybox rm -r d; busybox ln -s {tmp_path}/outside d", tmp_path / "copy")
    copy.end(str(tmp_path / "upper"))
    assert list((tmp_path / "outside").iterdir()) == []
    captured = capture(str(tmp_path / "upper"), [str(tmp_path / "tree")], "t", gone=copy.gone)
    assert captured.removed == ("t/d/a", "t/d/b", "t/d/c") and [one.path for one in captured.entries] == ["t/d"]
