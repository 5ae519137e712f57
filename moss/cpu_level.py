"""Which levels of the x86-64 architecture processors have, told from /proc/cpuinfo as glibc's loader tells it.

The kernel leaves out of the flags what it does not let programs use, so that AVX stands there only where its
registers are kept from one program to the next. glibc asks the processor for the same.
"""

# What get_isa_level() in glibc's sysdeps/x86/get-isa-level.h asks for (BMI1 and BMI2 since glibc 2.38, and in
# the System V ABI since it knows levels), in the kernel's words. In its order and names:
#   baseline  CMOV CX8 FPU FXSR MMX SSE SSE2
#   v2        CMPXCHG16B LAHF64_SAHF64 POPCNT SSE3 SSSE3 SSE4_1 SSE4_2
#   v3        AVX AVX2 BMI1 BMI2 F16C FMA LZCNT MOVBE; AVX is "usable" only with OSXSAVE and the state in XCR0
#   v4        AVX512F AVX512BW AVX512CD AVX512DQ AVX512VL
# Each level needs those before it.
_NEEDED = (
    ("x86-64-v1", "cmov cx8 fpu fxsr mmx sse sse2"),
    ("x86-64-v2", "cx16 lahf_lm popcnt pni ssse3 sse4_1 sse4_2"),
    ("x86-64-v3", "xsave avx avx2 bmi1 bmi2 f16c fma abm movbe"),
    ("x86-64-v4", "avx512f avx512bw avx512cd avx512dq avx512vl"),
)


def common_flags(cpuinfo: str) -> frozenset[str]:
    """The flags that all processors have; none where the text names none."""
    common: frozenset[str] | None = None
    seen: set[str] = set()  # nearly always one line, said once for each of perhaps a thousand processors
    for line in cpuinfo.split("\n"):
        label, colon, said = line.partition(":")
        if colon and label.strip() == "flags" and said not in seen:
            seen.add(said)
            flags = frozenset(said.split())
            common = flags if common is None else common & flags
    return common or frozenset()


def x86_levels(flags: frozenset[str]) -> tuple[str, ...]:
    """Every level that processors with these flags have, the lowest first."""
    found: list[str] = []
    for level, needed in _NEEDED:
        if not flags.issuperset(needed.split()):
            break
        found.append(level)
    return tuple(found)
