"""Facts: capabilities of a machine, such as `cpu(x86-64-v3)` or `modalias(pci:v00008086d…)`.

A file of facts stands for another machine. It holds one fact a line; what follows a `#` is said to people:

    # ThinkPad T480
    arch(x86_64)
    cpu(x86-64-v3)                                                 # brings v2 and v1 with it
    modalias(pci:v00008086d00005917sv000017AAsd0000225Dbc03sc00i00)  # UHD Graphics 620

Kernels are not in it: which there are is the affair of the system that is planned, see docs/facts.md.
"""

import re
from collections.abc import Iterable, Iterator
from enum import Enum

from moss.errors import UsageError
from solver.values import ordered_value, value


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


_KINDS = {kind.value: kind for kind in FactKind}
_PREFIXES = tuple(f"{word}(" for word in _KINDS)
_SHAPE = re.compile(r"(?P<word>[^\s(]*)(?P<bracket>\(?)(?P<name>.*)")
_COMMENT = re.compile(r"(?:^|\s)#")
_ANOTHER = re.compile(r"\)\s+[\w-]+\(")
_LEVEL = "x86-64-v"
_LEVELS = tuple(f"{_LEVEL}{number}" for number in range(1, 5))
LONGEST = 8192
"""Characters of a fact: more than the kernel, which says them in pages of 4096 bytes, ever says."""
_TOLD_FAULTS = 10


@ordered_value
class Fact:
    """One thing that is so of a machine."""

    capability: str
    source: str = ""
    """Where it was read, for the person: a file below /sys, a command line's file …"""

    @property
    def kind(self) -> FactKind:
        return _KINDS[self.capability.partition("(")[0]]

    @property
    def name(self) -> str:
        """What is in the brackets."""
        return self.capability.partition("(")[2][:-1]


def fact(kind: FactKind, name: str, source: str = "") -> Fact | None:
    """The fact of this kind; None for a name that cannot stand in a line of text."""
    return Fact(f"{kind.value}({name})", source) if _name_fault(kind, name) is None else None


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


@value
class _Fault:
    line: int
    column: int
    message: str


def parse_facts(text: str, file: str) -> tuple[Fact, ...]:
    """Read a file of facts. One UsageError tells all that is wrong, each with line and column."""
    faults: list[_Fault] = []
    found: list[Fact] = []
    for number, line in enumerate(text.split("\n"), 1):
        comment = _COMMENT.search(line)
        said = (line if comment is None else line[: comment.start()]).rstrip()
        if not said.strip():
            continue
        column = len(said) - len(said.lstrip()) + 1
        read = _read(said.strip(), number, column, f"{file}:{number}")
        if isinstance(read, _Fault):
            faults.append(read)
        elif read[0].kind is FactKind.ARCH and architecture_of(found) not in (None, read[0].name):
            faults.append(_Fault(number, column, "a second architecture: a machine has one"))
        else:
            found += read
    if not faults and architecture_of(found) is None:
        faults.append(_Fault(1, 1, "no architecture is said anywhere: a line like arch(x86_64) is missing"))
    if faults:
        raise _refusal(faults, file)
    return in_order(found)


def _read(said: str, line: int, column: int, source: str) -> tuple[Fact, ...] | _Fault:
    shape = _SHAPE.fullmatch(said)
    if shape is None or not shape["bracket"]:
        return _Fault(line, column, f"{said[:60]!r} is no fact: one is like cpu(x86-64-v3)")
    kind = _KINDS.get(shape["word"])
    if kind is None:
        return _Fault(line, column, f"there is no kind of fact {shape['word']!r}: there are {', '.join(_KINDS)}")
    if kind is FactKind.KERNEL:
        return _Fault(line, column, "kernels are those of the system that is planned, not of a machine")
    inside = column + shape.start("name")
    if another := _ANOTHER.search(shape["name"]):
        return _Fault(line, inside + another.start() + 1, "a second fact: each has a line of its own")
    if not shape["name"].endswith(")"):
        return _Fault(line, column + len(said), "the closing bracket is missing")
    name = shape["name"][:-1]
    wrong = _name_fault(kind, name)
    if wrong is not None:
        return _Fault(line, inside + wrong[0], wrong[1])
    names = levels_up_to(name) if kind is FactKind.CPU else (name,)
    return tuple(Fact(f"{kind.value}({one})", source) for one in names)


def _name_fault(kind: FactKind, name: str) -> tuple[int, str] | None:
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


def _refusal(faults: list[_Fault], file: str) -> UsageError:
    told = [f"{file}:{one.line}:{one.column}: {one.message}" for one in faults]
    if len(told) > _TOLD_FAULTS:
        told[_TOLD_FAULTS:] = [f"and {len(told) - _TOLD_FAULTS} more"]
    return UsageError(
        told[0],
        because=told[1:],
        remedies=[f"mend {file}: one fact a line, `#` begins a comment", "see what one looks like: moss facts -o FILE"],
    )


def format_facts(facts: Iterable[Fact], title: str) -> str:
    """The text of a file that `parse_facts` reads. Kernels are left out."""
    told = [one for one in in_order(facts) if one.kind is not FactKind.KERNEL]
    return "".join(f"{line}\n" for line in (f"# {_one_line(title)}", *_lines(told)))


def _lines(facts: list[Fact]) -> Iterator[str]:
    kind = None
    for one in facts:
        if one.kind is not kind:
            kind = one.kind
            yield ""
        yield f"{one.capability}  # {_one_line(one.source)}" if one.source else one.capability


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
