"""Commands out of paths, and their order."""

import pytest

from moss.digest import ContentDigest
from moss.errors import CorruptData
from moss.layout import Entry, directory, regular, symlink
from moss.triggers.order import waiting
from moss.triggers.reading import read_trigger
from moss.triggers.values import Delete, Run, Scope, Trigger
from moss.triggers.work import Matcher, commands_of, digest_of

A, B = ContentDigest(b"a" * 16), ContentDigest(b"b" * 16)
DEPMOD = b"""
name: depmod
handlers:
    depmod: {run: /usr/sbin/depmod, args: [-a, $(version)]}
    clean: {delete: [/usr/lib/modules/$(version)/x]}
paths:
    /usr/lib/modules/(version:*)/**: {handlers: [depmod]}
    /usr/lib/modules/(version:*)/old: {handlers: [clean], type: symlink}
"""


def matcher(content: bytes = DEPMOD) -> Matcher:
    return Matcher(read_trigger(content, "t.yaml", Scope.TRANSACTION))


def tree(digest: ContentDigest = A) -> list[Entry]:
    return [
        directory("lib/modules/6.1"),
        regular("lib/modules/6.1/a.ko", digest),
        regular("lib/modules/6.1/b.ko", A),
        symlink("lib/modules/6.1/old", "a.ko"),
        regular("lib/modules/6.2/a.ko", A),
        directory("lib/modules/6.2/old"),
        regular("share/x", A),
    ]


def test_commands_are_collapsed_and_know_what_calls_for_them() -> None:
    found = {str(one.handler): [entry.path for entry in one.inputs] for one in commands_of(matcher(), tree())}
    assert found == {
        "/usr/sbin/depmod -a 6.1": [f"lib/modules/6.1/{name}" for name in ("a.ko", "b.ko", "old")],
        "delete /usr/lib/modules/6.1/x": ["lib/modules/6.1/old"],
        "/usr/sbin/depmod -a 6.2": ["lib/modules/6.2/a.ko", "lib/modules/6.2/old"],
    }
    assert isinstance(commands_of(matcher(), tree())[0].handler, Run)
    assert isinstance(commands_of(matcher(), tree())[1].handler, Delete)


def test_a_digest_changes_with_what_the_outcome_depends_on() -> None:
    def digests(entries: list[Entry]) -> list[str]:
        return [one.digest() for one in commands_of(matcher(), entries)]

    before, after = digests(tree()), digests(tree(B))
    assert before == digests(tree())
    assert before[0] != after[0] and before[1:] == after[1:], "only the one whose module changed"
    assert digests(tree()[:-2])[2] != before[2], "a path that went"


def test_a_trigger_has_a_digest_of_what_it_says() -> None:
    said = read_trigger(DEPMOD, "t.yaml", Scope.TRANSACTION)
    assert digest_of(said) == digest_of(read_trigger(DEPMOD + b"description: x\n", "u.yaml", Scope.TRANSACTION))
    assert digest_of(said) != digest_of(read_trigger(DEPMOD.replace(b"-a", b"-A"), "t.yaml", Scope.TRANSACTION))


def test_prefixes_hold_every_path_that_may_match() -> None:
    assert matcher().prefixes == ("lib/modules/", "lib/modules/")
    wide = matcher(b"name: a\nhandlers: {h: {run: /x}}\npaths: {/**: {handlers: h}, /etc/x: {handlers: h}}\n")
    assert wide.prefixes == ("",)
    assert wide.is_about(regular("anything", A))


def trigger(name: str, before: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> Trigger:
    return Trigger(name, Scope.TRANSACTION, before=before, after=after, file=f"{name}.yaml")


def test_order_goes_through_triggers_that_do_not_run() -> None:
    triggers = [trigger("a"), trigger("b", after=("a",)), trigger("c", after=("b", "nobody")), trigger("d", ("a",))]
    assert waiting(triggers, ["a", "b", "c", "d"]) == {
        "a": {"d"}, "b": {"a", "d"}, "c": {"a", "b", "d"}, "d": frozenset(),
    }  # fmt: skip
    assert waiting(triggers, ["c", "d"]) == {"c": {"d"}, "d": frozenset()}


def test_a_circle_is_told_with_its_file() -> None:
    triggers = [trigger("a", after=("c",)), trigger("b", after=("a",)), trigger("c", after=("b",))]
    with pytest.raises(CorruptData) as fault:
        waiting(triggers, ["a"])
    assert "a.yaml" in fault.value.message and "a → b → c → a" in fault.value.message
    with pytest.raises(CorruptData):
        waiting([trigger("a", after=("a",))], ["a"])
