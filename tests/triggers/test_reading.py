"""Trigger files: upstream's YAML, the same in KDL, and what is wrong with others."""

import os
import re
from pathlib import Path

import pytest

from moss.errors import CorruptData
from moss.triggers.reading import MAX_BYTES, read_trigger
from moss.triggers.values import Delete, Inhibitors, PathType, Run, Scope, Trigger, Watch
from solver.values import replace

YAML = rb"""
name: depmod
description: |
    Update kernel module dependencies

before: boot
after: [sysusers, hwdb]
inhibitors:
    paths: [/etc/never]
    environment:
        - chroot
        - live
handlers:
    depmod:
        run: /sbin/depmod
        args: ["-a", "$(version)"]
    clean:
        delete: ["/usr/lib/modules/$(version)/*.bin"]
paths:
    "/usr/lib/modules/(version:*)/kernel":
        handlers:
            - clean
            - depmod
        type: directory
    /usr/lib/modules/(version:*)/extra/**:
        handlers: depmod
"""

KDL = rb"""
name "depmod"
description "Update kernel module dependencies"
before "boot"
after "sysusers" "hwdb"
inhibitors { paths "/etc/never"; environment "chroot" "live" }
handlers {
    depmod { run "/sbin/depmod"; args "-a" "$(version)" } // as upstream's
    clean { delete "/usr/lib/modules/$(version)/*.bin" }
}
paths {
    "/usr/lib/modules/(version:*)/kernel" { handlers "clean" "depmod"; type "directory" }
    "/usr/lib/modules/(version:*)/extra/**" { handlers "depmod" }
}
"""


def expected(file: str) -> Trigger:
    run = Run("/sbin/depmod", ("-a", "$(version)"))
    return Trigger(
        name="depmod",
        scope=Scope.TRANSACTION,
        description="Update kernel module dependencies",
        before=("boot",),
        after=("sysusers", "hwdb"),
        inhibitors=Inhibitors(("/etc/never",), ("chroot", "live")),
        watches=(
            Watch("/usr/lib/modules/(version:*)/kernel", ("clean", "depmod"), PathType.DIRECTORY),
            Watch("/usr/lib/modules/(version:*)/extra/**", ("depmod",)),
        ),
        handlers=(("depmod", run), ("clean", Delete(("/usr/lib/modules/$(version)/*.bin",)))),
        file=file,
    )


@pytest.mark.parametrize(("content", "file"), [(YAML, "a.yaml"), (YAML, "a.yml"), (KDL, "a.kdl")])
def test_both_languages_say_the_same(content: bytes, file: str) -> None:
    assert read_trigger(content, file, Scope.TRANSACTION) == expected(file)


def test_the_documentation_says_one_thing_twice() -> None:
    page = (Path(__file__).parents[2] / "docs/triggers.md").read_text()
    found = {language: re.search(f"```{language}\n(.*?)```", page, re.DOTALL) for language in ("yaml", "kdl")}
    yaml, kdl = (
        read_trigger(text[1].encode(), f"t.{language}", Scope.TRANSACTION)
        for language, text in found.items()
        if text is not None
    )
    assert replace(yaml, file="") == replace(kdl, file="", handlers=kdl.handlers)
    assert len(yaml.watches) == len(yaml.handlers) == 2


def test_upstreams_example() -> None:
    path = os.path.join(os.path.dirname(__file__), "../../../shared/data/upstream-trigger.yml")
    if not os.path.exists(path):
        pytest.skip("../shared is not here")
    with open(path, "rb") as file:
        trigger = read_trigger(file.read(), "upstream-trigger.yml", Scope.SYSTEM)
    assert trigger.name == "depmod"
    assert trigger.before == ("some.trigger",)
    assert trigger.after == ("some.trigger", "some.trigger"), "needs is read as after"
    assert trigger.handler("depmod") == Run("/sbin/depmod", ("-a", "$(version)"))
    assert trigger.watches[0].type is PathType.DIRECTORY


def test_a_file_may_be_about_many_paths() -> None:
    text = "name: a\nhandlers: {h: {run: /x}}\npaths:\n" + "".join(f"  /{n}: {{handlers: [h]}}\n" for n in range(50))
    assert len(read_trigger(text.encode(), "t.yaml", Scope.TRANSACTION).watches) == 50


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        (b"name: a\nhandlers: [x]\n", "line 2, column 11", "parts with names"),
        (b"name: a\nbefore: {x: y}\n", "line 2, column 9", "text or a list"),
        (b"name: [a, b]\n", "line 1, column 7", "must be a text"),
        (b"description: x\n", "line 1, column 1", "no name"),
        (b"name: a b\n", "line 1, column 7", "cannot be a trigger's name"),
        (b"name: a\ncolour: red\n", "line 2, column 9", "'colour' is nothing"),
        (b"name: a\nname: b\n", "line 2, column 1", "said twice"),
        (b"name: a\nhandlers:\n  h: {run: depmod}\n", "line 3, column 12", "no absolute path"),
        (b"name: a\nhandlers:\n  h: {args: [x]}\n", "line 3, column 6", "either run or delete"),
        (b"name: a\nhandlers:\n  h: {run: /x, delete: [/y]}\n", "line 3, column 6", "either run or delete"),
        (b"name: a\nhandlers:\n  h: {delete: ['y(']}\n", "line 3, column 15", "no pattern"),
        (b"name: a\npaths:\n  /x: {handlers: [h]}\n", "line 3, column 7", "none of the handlers"),
        (b"name: a\nhandlers: {h: {run: /x, args: $(v)}}\npaths:\n  /x: {handlers: h}\n", "line 4, column 7",
         "does not capture"),
        (b"name: a\npaths:\n  /x(: {}\n", "line 3, column 8", "no pattern"),
        (b"name: a\npaths:\n  /x: {type: socket}\n", "line 3, column 14", "no type of path"),
        (b"name: a\ninhibitors: {environment: [moon]}\n", "line 2, column 27", "no environment"),
        (b"name: &a b\nbefore: *a\n", "line 2, column 9", "alias"),
        (b"name: [a\n", "line 2, column 1", "not YAML"),
        (b"", "", "is empty"),
        (b"name: \xff", "byte 6", "not UTF-8"),
        (b"name: " + b"x" * MAX_BYTES, "", "larger than"),
        (b"[" * (MAX_BYTES - 9), "line 1, column 21", "nested deeper"),
        (b"- {" * 30 + b"}" * 30, "", "not YAML"),
        (b"before: " + b"[" * 30 + b"]" * 30 + b"\n", "line 1", "nested deeper"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_yaml(content: bytes, place: str, words: str) -> None:
    with pytest.raises(CorruptData) as fault:
        read_trigger(content, "t.yaml", Scope.TRANSACTION)
    assert "t.yaml" in fault.value.message and place in fault.value.message, fault.value.message
    assert words in fault.value.message, fault.value.message
    assert fault.value.remedies


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        (b'name "a"\nname "b"\n', "line 2, column 1", "said twice"),
        (b"name 1\n", "line 1, column 6", "must be a text"),
        (b'name "a"\nhandlers { h { run "x" } }\n', "line 2, column 16", "no absolute path"),
        (b'name "a"\npaths { "/x" "y" { handlers "h" } }\n', "line 2, column 9", "texts and parts"),
        (b'name "a\n', "line 1", ""),
    ],
)
def test_what_is_wrong_with_kdl(content: bytes, place: str, words: str) -> None:
    with pytest.raises(CorruptData) as fault:
        read_trigger(content, "t.kdl", Scope.TRANSACTION)
    assert "t.kdl" in fault.value.message and place in fault.value.message, fault.value.message
    assert words in fault.value.message
