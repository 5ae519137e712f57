"""What patterns are about, against a matcher that tries every way."""

import random

import pytest

from moss.triggers.pattern import PatternError, filled_pattern, parse_pattern, substituted


@pytest.mark.parametrize(
    ("pattern", "path", "captures"),
    [
        ("/usr/lib/modules/(version:*)/kernel", "/usr/lib/modules/6.6.7-267.current/kernel",
         {"version": "6.6.7-267.current"}),
        ("/usr/lib/modules/(version:*)/kernel", "/usr/lib/modules/6.6/x/kernel", None),
        ("/usr/lib/modules/(version:*)/kernel", "/usr/lib/modules/6.6/kernel/fs", None),
        ("/usr/lib/modules/(version:*)/kernel", "/x/usr/lib/modules/6.6/kernel", None),
        ("/usr/share/**", "/usr/share/a/b/c", {}),
        ("/usr/share/(theme:*)/**/(name:?).png", "/usr/share/hi/48/apps/x.png", {"theme": "hi", "name": "x"}),
        ("/usr/a.c", "/usr/abc", None),
        ("/usr/[ab]", "/usr/a", None),
        ("/usr/[ab]", "/usr/[ab]", {}),
        ("/usr/lib/lib*.so.?", "/usr/lib/libz.so.1", {}),
        ("/usr/lib/lib*.so.?", "/usr/lib/libz.so.12", None),
        ("/usr/lib/lib*.so.?", "/usr/lib/x/libz.so.1", None),
        ("/usr/(all:**)", "/usr/a/b", {"all": "a/b"}),
        ("/usr/x", "/usr/x\n", None),
    ],
)  # fmt: skip
def test_what_a_pattern_is_about(pattern: str, path: str, captures: dict[str, str] | None) -> None:
    assert parse_pattern(pattern).captures(path) == captures


def matches(pattern: str, path: str) -> bool:
    if not pattern:
        return not path
    if pattern.startswith("**"):
        return any(matches(pattern[2:], path[at:]) for at in range(len(path) + 1))
    if pattern[0] == "*":
        ends = path.find("/") if "/" in path else len(path)
        return any(matches(pattern[1:], path[at:]) for at in range(ends + 1))
    if not path or (pattern[0] == "?" and path[0] == "/"):
        return False
    return pattern[0] in ("?", path[0]) and matches(pattern[1:], path[1:])


def test_random_patterns_match_as_every_way_tried() -> None:
    draw = random.Random(7)
    found = 0
    for _ in range(4000):
        pattern = "/" + "".join(draw.choice(["a", "b", "/", "*", "**", "?"]) for _ in range(draw.randint(0, 5)))
        path = "/" + "".join(draw.choice("ab/") for _ in range(draw.randint(0, 6)))
        expected = matches(pattern, path)
        found += expected
        assert (parse_pattern(pattern).captures(path) is not None) == expected, (pattern, path)
        if expected:
            assert path.startswith(parse_pattern(pattern).prefix)
    assert found > 300


@pytest.mark.parametrize(
    "text", ["usr/x", "/usr/(a:*", "/usr/(a:*)/(a:*)", "/usr/(*)", "/usr/(a:(b:*))", "/usr/x)", "/usr/(1:*)"]
)
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(PatternError):
        parse_pattern(text)


def test_captures_are_filled_in_once() -> None:
    assert substituted("-a $(b) $(c)$", {"b": "$(c)", "c": "1"}) == "-a $(c) 1$"
    assert substituted("$(x)", {}) == "$(x)"


def test_what_a_capture_holds_is_no_pattern() -> None:
    expression = filled_pattern("/usr/$(a)/*", {"a": "x*(b:"})
    assert expression.fullmatch("/usr/x*(b:/y") and not expression.fullmatch("/usr/xz(b:/y")
    with pytest.raises(PatternError):
        filled_pattern("/usr/(a:*)", {})
