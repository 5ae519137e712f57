"""Patterns and filters against an oracle that tries every way (tests/omitting.py)."""

import random
import time

import pytest

from moss.path_filter import Omission, PathFilter, left_out, matcher, pattern_fault
from tests.omitting import matches, omitted

TABLE = {
    "share/doc/**": (("share/doc/vim", "share/doc/a/b"), ("share/doc", "share/docs", "lib/share/doc/x")),
    "share/doc": (("share/doc",), ("share/doc/vim",)),
    "share/*/README": (("share/x/README",), ("share/README", "share/x/y/README")),
    "share/**/README": (("share/README", "share/x/README", "share/x/y/README"), ("share/xREADME",)),
    "**/*.a": (("lib/libz.a", "libz.a", "lib/x/.a"), ("lib/libz.ab", "lib/libz.a/x")),
    "lib/lib?.so": (("lib/libz.so",), ("lib/lib/.so", "lib/lib.so", "lib/libzz.so")),
    "lib/a**z": (("lib/az", "lib/a/b/z"), ("lib/a", "lib/za")),
    "share/locale/*/LC_*/**": (("share/locale/de/LC_MESSAGES/x.mo",), ("share/locale/LC_MESSAGES/x.mo",)),
    "a.c": (("a.c",), ("abc",)),
    "[ab]/(x|y)+$": (("[ab]/(x|y)+$",), ("a/x",)),
    "a\nb": ((), ("a",)),
}


@pytest.mark.parametrize("pattern", TABLE)
def test_a_pattern_means_what_the_page_says(pattern: str) -> None:
    yes, no = TABLE[pattern]
    for path in (*yes, *no):
        assert (matcher((Omission("one", (pattern,)),))(path) == 0) is (path in yes) is matches(pattern, path), path


def test_random_filters_leave_out_what_the_oracle_says() -> None:
    chance = random.Random(1)
    some = 0
    for _ in range(1500):
        path_filter = tuple(
            Omission(f"s{number}", random_patterns(chance, 3), random_patterns(chance, 2))
            for number in range(chance.randint(0, 3))
        )
        paths = random_layout(chance)
        plain = [{"patterns": one.patterns, "kept": one.kept} for one in path_filter]
        found = dict(left_out(list(paths.items()), matcher(path_filter)))
        assert found.keys() == omitted(paths, plain), (path_filter, paths)
        for path, omission in found.items():
            if not any(other.startswith(f"{path}/") for other in paths):
                first = next(n for n, one in enumerate(plain) if {path} & omitted({path: False}, [one]))
                assert omission == first
        some += bool(found)
    assert some > 300


def random_patterns(chance: random.Random, most: int) -> tuple[str, ...]:
    parts = ("a", "b", "*", "**", "?", "a*", "*b", "a**", "?b", "**b")
    made = ("/".join(chance.choices(parts, k=chance.randint(1, 4))) for _ in range(chance.randint(0, most)))
    return tuple(made)


def random_layout(chance: random.Random) -> dict[str, bool]:
    """Paths, each with whether it is a directory: nothing is below what is none."""
    paths: dict[str, bool] = {}
    for _ in range(chance.randint(1, 8)):
        paths["/".join(chance.choices(("a", "b", "ab", "c"), k=chance.randint(1, 4)))] = chance.random() < 0.3
    return {path: is_directory or any(other.startswith(f"{path}/") for other in paths)
            for path, is_directory in paths.items()}  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "word"),
    [("", "empty"), ("/usr/x", "slash"), ("a//b", "empty part"), ("../a", ".."), ("**", "whatever"),
     ("*/**", "whatever"), ("a\x01", "control"), ("*a*b*c*d*e*f*g*h*i", "stars"), ("share/doc/**", None),
     ("**/*.a", None)],
)  # fmt: skip
def test_what_cannot_be_a_pattern_is_told(pattern: str, word: str | None) -> None:
    fault = pattern_fault(pattern)
    assert fault is None if word is None else fault is not None and word in fault


def test_no_filter_leaves_nothing_out_and_a_real_one_is_quick() -> None:
    kinds = ("doc", "x", "locale/de", "man")
    paths = [f"share/{kind}/{number % 997}/{number}" for number in range(50_000) for kind in kinds]
    assert not any(matcher(())(path) for path in paths)
    omits = matcher(REAL)
    began = time.process_time()
    found = sum(omits(path) is not None for path in paths)
    assert time.process_time() - began < 1
    assert found == 100_000


REAL: PathFilter = (
    Omission("devel", ("include/**", "lib/**/*.a", "lib/pkgconfig/**", "share/pkgconfig/**")),
    Omission("docs", ("share/doc/**", "share/info/**", "share/gtk-doc/**", "share/man/man3/**")),
    Omission("locale", ("share/locale/*/**", "share/man/*/man*/**", "share/help/*/**"),
             ("share/locale/en/**", "share/locale/fr/**", "share/man/fr/**", "share/help/C/**")),
)  # fmt: skip
