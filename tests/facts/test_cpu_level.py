"""The level of the processors: from flags, as glibc's loader decides, and as the loader here decides."""

import re
import subprocess
from pathlib import Path

import pytest

from moss.architecture import native_architecture
from moss.cpu_level import common_flags, x86_levels

V1 = "fpu vme cx8 sep cmov mmx fxsr sse sse2 ht syscall nx lm constant_tsc"
V2 = f"{V1} pni ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm"
V3 = f"{V2} xsave avx f16c fma abm movbe bmi1 avx2 bmi2"
V4 = f"{V3} avx512f avx512dq avx512cd avx512bw avx512vl"
LOADER = Path("/lib64/ld-linux-x86-64.so.2")


def processors(*flags: str) -> str:
    return "".join(
        f"processor\t: {number}\nvendor_id\t: GenuineIntel\nflags\t\t: {one}\nvmx flags\t: vnmi ept\nbugs\t\t:\n\n"
        for number, one in enumerate(flags)
    )


def level(*flags: str) -> int:
    levels = x86_levels(common_flags(processors(*flags)))
    assert levels == tuple(f"x86-64-v{number}" for number in range(1, len(levels) + 1))
    return len(levels)


@pytest.mark.parametrize(("flags", "expected"), [(V1, 1), (V2, 2), (V3, 3), (V4, 4), ("fpu", 0)])
def test_each_level_is_known_by_its_flags(flags: str, expected: int) -> None:
    assert level(flags) == expected
    assert level(flags, flags) == expected


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        *((flag, 0) for flag in ["cmov", "cx8", "fpu", "fxsr", "mmx", "sse", "sse2"]),
        *((flag, 1) for flag in ["cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"]),
        *((flag, 2) for flag in ["xsave", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"]),
        *((flag, 3) for flag in ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]),
    ],
)
def test_a_level_lacks_with_each_of_its_flags(missing: str, expected: int) -> None:
    assert level(" ".join(flag for flag in V4.split() if flag != missing)) == expected


def test_what_one_processor_lacks_all_lack() -> None:
    assert level(V4, V3, V4) == 3
    assert level(V4, V1) == 1


@pytest.mark.parametrize("text", ["", "processor\t: 0\nFeatures\t: fp asimd\n", "flags", "flags\t\t:\n"])
def test_a_text_without_flags_has_none(text: str) -> None:
    assert common_flags(text) == frozenset()
    assert x86_levels(common_flags(text)) == ()


def test_the_loader_here_says_the_same() -> None:
    if native_architecture() != "x86_64" or not LOADER.exists():
        pytest.skip("needs glibc's loader for x86-64")
    told = subprocess.run([LOADER, "--help"], capture_output=True, text=True, check=True).stdout
    searched = set(re.findall(r"^ +(x86-64-v\d) \(supported, searched\)", told, re.MULTILINE))
    assert "x86-64-v2" in told
    flags = common_flags(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    # A loader from before 2.38 does not ask for these two; no processor has AVX2 without them.
    assert {"bmi1", "bmi2"} <= flags or "avx2" not in flags
    assert set(x86_levels(flags)) - {"x86-64-v1"} == searched
