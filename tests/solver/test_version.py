"""Versions: the tables of the specifications, and the tools that are there as oracles."""

import random
import shutil
import subprocess
from itertools import pairwise

import pytest

from solver import Scheme, VersionError, compare

# Debian policy 5.6.12 and deb-version(7); each line oldest to newest.
DEB_ORDERED = [
    ["~~", "~~a", "~", "0~", "1", "1a"],
    ["1.0~beta1~svn1245", "1.0~beta1", "1.0", "1.0-1", "1.0-1.1", "1.0-2~", "1.0-2"],
    ["1.2", "1.10", "1.10a", "1.10+b", "1:0", "2:0"],
    ["1.0-1~bpo1", "1.0-1", "1.0-1+b1", "1.0-10"],
    ["1", "a", "aa", "b", "+"],
    ["0~", "0-~", "0"],
]
DEB_EQUAL = [("1.0", "1.0-0"), ("0:1", "1"), ("1.01", "1.1"), ("1.0-00", "1.0"), ("1a", "1a0")]

# The table of rpm's own test suite, tests/rpmvercmp.at.
RPM_TABLE = """
1.0 1.0 0 | 1.0 2.0 -1 | 2.0 1.0 1 | 2.0.1 2.0.1 0 | 2.0 2.0.1 -1 | 2.0.1 2.0 1
2.0.1a 2.0.1a 0 | 2.0.1a 2.0.1 1 | 2.0.1 2.0.1a -1 | 5.5p1 5.5p1 0 | 5.5p1 5.5p2 -1
5.5p2 5.5p1 1 | 5.5p10 5.5p10 0 | 5.5p1 5.5p10 -1 | 5.5p10 5.5p1 1 | 10xyz 10.1xyz -1
10.1xyz 10xyz 1 | xyz10 xyz10 0 | xyz10 xyz10.1 -1 | xyz10.1 xyz10 1 | xyz.4 xyz.4 0
xyz.4 8 -1 | 8 xyz.4 1 | xyz.4 2 -1 | 2 xyz.4 1 | 5.5p2 5.6p1 -1 | 5.6p1 5.5p2 1
5.6p1 6.5p1 -1 | 6.5p1 5.6p1 1 | 6.0.rc1 6.0 1 | 6.0 6.0.rc1 -1 | 10b2 10a1 1 | 10a2 10b2 -1
1.0aa 1.0aa 0 | 1.0a 1.0aa -1 | 1.0aa 1.0a 1 | 10.0001 10.0001 0 | 10.0001 10.1 0
10.1 10.0001 0 | 10.0001 10.0039 -1 | 10.0039 10.0001 1 | 4.999.9 5.0 -1 | 5.0 4.999.9 1
20101121 20101121 0 | 20101121 20101122 -1 | 20101122 20101121 1 | 2_0 2_0 0 | 2.0 2_0 0
2_0 2.0 0 | a a 0 | a+ a+ 0 | a+ a_ 0 | a_ a+ 0 | +a +a 0 | +a _a 0 | _a +a 0 | +_ +_ 0
_+ +_ 0 | _+ _+ 0 | + _ 0 | _ + 0 | 1.0~rc1 1.0~rc1 0 | 1.0~rc1 1.0 -1 | 1.0 1.0~rc1 1
1.0~rc1 1.0~rc2 -1 | 1.0~rc2 1.0~rc1 1 | 1.0~rc1~git123 1.0~rc1~git123 0
1.0~rc1~git123 1.0~rc1 -1 | 1.0~rc1 1.0~rc1~git123 1 | 1.0^ 1.0^ 0 | 1.0^ 1.0 1 | 1.0 1.0^ -1
1.0^git1 1.0^git1 0 | 1.0^git1 1.0 1 | 1.0 1.0^git1 -1 | 1.0^git1 1.0^git2 -1
1.0^git2 1.0^git1 1 | 1.0^git1 1.01 -1 | 1.01 1.0^git1 1 | 1.0^20160101 1.0^20160101 0
1.0^20160101 1.0.1 -1 | 1.0.1 1.0^20160101 1 | 1.0^20160101^git1 1.0^20160101^git1 0
1.0^20160102 1.0^20160101^git1 1 | 1.0^20160101^git1 1.0^20160102 -1
1.0~rc1^git1 1.0~rc1^git1 0 | 1.0~rc1^git1 1.0~rc1 1 | 1.0~rc1 1.0~rc1^git1 -1
1.0^git1~pre 1.0^git1~pre 0 | 1.0^git1 1.0^git1~pre 1 | 1.0^git1~pre 1.0^git1 -1
"""


@pytest.mark.parametrize("versions", DEB_ORDERED)
def test_debian_versions_have_the_order_of_policy(versions: list[str]) -> None:
    for older, newer in pairwise(versions):
        assert compare(Scheme.DEB, older, newer) == -1, (older, newer)
        assert compare(Scheme.DEB, newer, older) == 1, (older, newer)


@pytest.mark.parametrize(("a", "b"), DEB_EQUAL)
def test_debian_versions_may_differ_and_be_equal(a: str, b: str) -> None:
    assert compare(Scheme.DEB, a, b) == compare(Scheme.DEB, b, a) == 0


def test_rpm_versions_have_the_order_of_its_own_table() -> None:
    rows = [row.split() for row in RPM_TABLE.replace("\n", "|").split("|") if row.strip()]
    assert len(rows) > 90
    for a, b, expected in rows:
        assert compare(Scheme.RPM, a, b) == int(expected), (a, b)


def test_a_missing_release_equals_every_release_but_in_debian() -> None:
    assert compare(Scheme.RPM, "1.0", "1.0-3") == compare(Scheme.RPM, "1.0-3", "1.0") == 0
    assert compare(Scheme.STONE, "8.4", "8.4-35") == 0
    assert compare(Scheme.DEB, "1.0", "1.0-3") == -1
    assert compare(Scheme.RPM, "1.0", "1.0.1-1") == -1
    assert compare(Scheme.RPM, "1:1.0", "2.0-1") == 1


def test_stones_are_ordered_by_version_then_release() -> None:
    ordered = ["8.2-29", "8.4-4", "8.4-35", "8.10-1", "2024.01.02-1"]
    for older, newer in pairwise(ordered):
        assert compare(Scheme.STONE, older, newer) == -1
    assert compare(Scheme.STONE, "1.0-rc1", "1.0-rc2") == -1, "what is no number is no release"


def test_whole_numbers_are_ordered_as_numbers() -> None:
    assert compare(Scheme.INTEGER, "9", "10") == -1
    assert compare(Scheme.INTEGER, "010", "10") == 0


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        (Scheme.DEB, ""),
        (Scheme.DEB, "1 2"),
        (Scheme.DEB, "x:1"),
        (Scheme.DEB, "1:"),
        (Scheme.DEB, "1" * 300),
        (Scheme.RPM, ""),
        (Scheme.RPM, "a:1"),
        (Scheme.STONE, ""),
        (Scheme.INTEGER, "1.0"),
        (Scheme.INTEGER, "-1"),
    ],
)
def test_what_is_no_version_is_refused(scheme: Scheme, text: str) -> None:
    with pytest.raises(VersionError, match=f"is not a {scheme.name} version"):
        compare(scheme, text, text)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not installed")
def test_dpkg_orders_random_versions_alike() -> None:
    source = random.Random(7)
    pieces = ["0", "1", "9", "10", "01", "a", "b", "rc", "~", "+", ".", "-", "~~", "Z"]
    for _ in range(250):
        a, b = ("1" + "".join(source.choices(pieces, k=source.randint(0, 5))) for _ in range(2))
        a, b = (version.rstrip("-") for version in (a, b))
        newer = subprocess.run(["dpkg", "--compare-versions", a, "gt", b], check=False).returncode == 0
        older = subprocess.run(["dpkg", "--compare-versions", a, "lt", b], check=False).returncode == 0
        assert compare(Scheme.DEB, a, b) == newer - older, (a, b)


@pytest.mark.skipif(shutil.which("rpm") is None, reason="rpm is not installed")
def test_rpm_orders_random_versions_alike() -> None:
    """All in one run of rpm, by its Lua; with and without epoch, both with a release or both without."""
    source = random.Random(11)
    pieces = ["0", "1", "9", "10", "01", "a", "b", "rc", "Z", "~", "^", ".", "_", "+", "~~", "1.2"]

    def version() -> str:
        return source.choice(["1", "2", "a", "10"]) + "".join(source.choices(pieces, k=source.randint(0, 6)))

    pairs = []
    for _ in range(3000):
        release = source.random() < 0.4
        epochs = ("", "") if source.random() < 0.8 else (source.choice(["0:", "1:"]), source.choice(["", "1:"]))
        a, b = (epoch + version() + (f"-{version()}" if release else "") for epoch in epochs)
        pairs.append((a, b))
    table = ",".join(f'{{"{a}","{b}"}}' for a, b in pairs)
    script = f"%{{lua: for _, pair in ipairs({{{table}}}) do print(rpm.vercmp(pair[1], pair[2]) .. ' ') end}}"
    told = subprocess.run(["rpm", "--eval", script], capture_output=True, check=True, text=True).stdout.split()
    assert len(told) == len(pairs)
    for (a, b), expected in zip(pairs, told, strict=True):
        assert compare(Scheme.RPM, a, b) == int(expected), (a, b)
