"""Facts: capabilities of a machine, such as `cpu(x86-64-v3)` or `modalias(pci:v00008086d…)`."""

from collections.abc import Iterable
from enum import Enum

from solver.values import ordered_value


class FactKind(Enum):
    """What a fact is about; the words are those before the bracket. Facts are told in this order."""

    ARCH = "arch"
    """The architecture, as stones spell it. A machine has one."""
    CPU = "cpu"
    """What the processors can do: `x86-64-v1` to `x86-64-v4`, each that holds."""
    VIRT = "virt"
    """What the machine runs in, as systemd calls it (`kvm`, `docker`), or `none`."""
    LOCALE = "locale"
    """A language, with its country, that somebody asked for: `de_DE`."""
    MODALIAS = "modalias"
    """A device, by the text that the kernel finds its driver by."""
    KERNEL = "kernel"
    """A kernel that is installed, by its version."""


KINDS = {kind.value: kind for kind in FactKind}
"""By the words that begin a fact."""
_PREFIXES = tuple(f"{word}(" for word in KINDS)
_LEVEL = "x86-64-v"
_LEVELS = tuple(f"{_LEVEL}{number}" for number in range(1, 5))
LONGEST = 8192
"""Characters of a fact: more than the kernel, which says them in pages of 4096 bytes, ever says."""


@ordered_value
class Fact:
    """One thing that is so of a machine."""

    capability: str
    source: str = ""
    """Where it was read, for the person: a file below /sys, a command line's file …"""

    @property
    def kind(self) -> FactKind:
        return KINDS[self.capability.partition("(")[0]]

    @property
    def name(self) -> str:
        """What is in the brackets."""
        return self.capability.partition("(")[2][:-1]


def fact(kind: FactKind, name: str, source: str = "") -> Fact | None:
    """The fact of this kind; None for a name that cannot stand in a line of text."""
    return Fact(f"{kind.value}({name})", source) if name_fault(kind, name) is None else None


def is_about_facts(capability: str) -> bool:
    """Whether a capability, or a pattern of some, is of a kind that machines have and packages do not provide."""
    return capability.startswith(_PREFIXES)


def in_order(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """Each capability once, with the least of its sources, by kind."""
    first: dict[str, Fact] = {}
    for one in sorted(facts):
        first.setdefault(one.capability, one)
    kinds = list(FactKind)
    return tuple(sorted(first.values(), key=lambda one: (kinds.index(one.kind), one)))


def levels_up_to(name: str) -> tuple[str, ...]:
    """A level of the x86-64 architecture with all that it contains; another text stands for itself."""
    return _LEVELS[: _LEVELS.index(name) + 1] if name in _LEVELS else (name,)


def architecture_of(facts: Iterable[Fact]) -> str | None:
    """The architecture that the facts name."""
    return next((one.name for one in facts if one.kind is FactKind.ARCH), None)


def name_fault(kind: FactKind, name: str) -> tuple[int, str] | None:
    """What is wrong with what stands in the brackets, and at which character, counted from 0."""
    if not name:
        return 0, "nothing stands in the brackets"
    if len(name) > LONGEST:
        return LONGEST, f"more than {LONGEST} characters"
    for at, character in enumerate(name):
        if not character.isprintable():
            return at, f"the character {character!r} cannot be part of a fact"
        # Devices have names of several words: `platform:Fixed MDIO bus`.
        is_inside = kind is FactKind.MODALIAS and 0 < at < len(name) - 1 and name[at + 1] != "#"
        if character == " " and not is_inside:
            return at, "a space cannot be here"
    if kind is FactKind.CPU and name.startswith(_LEVEL) and name not in _LEVELS:
        return 0, f"there is no such level: there are {', '.join(_LEVELS)}"
    return None
