"""Capabilities and wishes from text, and what is no such thing."""

import pytest

from moss.capability import Capability, CapabilityKind
from moss.errors import UsageError
from moss.model import SystemModel, Wish, checked_wishes, install, remove


@pytest.mark.parametrize("kind", list(CapabilityKind))
def test_every_kind_parses_and_prints(kind: CapabilityKind) -> None:
    capability = Capability.parse(f"{kind.word}(a name(x86_64))")
    assert capability == Capability(kind, "a name(x86_64)")
    assert capability.full_text == f"{kind.word}(a name(x86_64))"
    assert Capability.parse(capability.full_text) == capability


def test_a_bare_word_is_a_package_name() -> None:
    assert Capability.parse("vim") == Capability.parse("name(vim)")
    assert str(Capability.parse("name(vim)")) == "vim"


@pytest.mark.parametrize(
    "text", ["", "soname(", "soname()", "soname(x", "colour(red)", "two words", "a\nb", "binary(a\x7f)"]
)
def test_other_text_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Capability.parse(text)
    assert caught.value.exit_code == 2
    assert caught.value.remedies


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("vim", "vim"), ("name(vim)", "vim"), ("binary(git)", "binary(git)"), ("foo < 3", "foo (< 3)"),
        ("foo<3", "foo (< 3)"), ("foo>=1:2.0-1", "foo (>= 1:2.0-1)"), ("foo == 3", "foo (= 3)"),
        ("foo << 3", "foo (< 3)"), ("foo (<= 3)", "foo (<= 3)"), ("foo (<< 3)", "foo (< 3)"),
        ("foo(>>3)", "foo (> 3)"), ("binary(git) (= 2)", "binary(git) (= 2)"),
        ("soname(libz.so.1(x86_64))", "soname(libz.so.1(x86_64))"),
    ],
)  # fmt: skip
def test_wishes_are_kept_in_one_form(typed: str, kept: str) -> None:
    wish = Wish.parse(typed)
    assert str(wish) == kept
    assert Wish.parse(kept) == wish


@pytest.mark.parametrize("typed", ["", "a | b", "foo <", "foo (< 3", "a & b", "red(x)"])
def test_what_is_no_wish_is_refused(typed: str) -> None:
    with pytest.raises(UsageError) as caught:
        Wish.parse(typed)
    assert "\n" not in caught.value.message


def test_all_bad_wishes_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        checked_wishes(["fine", "colour(red)", "foo ("])
    assert "colour(red)" in caught.value.message
    assert any("foo (" in line for line in caught.value.because)


def test_installing_adds_wishes_in_order_and_replaces_those_for_the_same_thing() -> None:
    model = install(SystemModel(), checked_wishes(["b", "a"]))
    model = install(model, checked_wishes(["c", "b < 2"]))
    assert [str(wish) for wish in model.wishes] == ["b (< 2)", "a", "c"]


def test_removing_drops_the_wish_whatever_its_range() -> None:
    model = install(SystemModel(), checked_wishes(["a", "b < 2", "binary(git)"]))
    assert [str(wish) for wish in remove(model, ["b", "unknown"]).wishes] == ["a", "binary(git)"]
    assert [str(wish) for wish in remove(model, ["binary(git)"]).wishes] == ["a", "b (< 2)"]
