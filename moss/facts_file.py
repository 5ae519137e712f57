"""Files of facts: each stands for a machine. One fact a line; what follows a `#` is said to people.

    # ThinkPad T480
    arch(x86_64)
    cpu(x86-64-v3)  # brings v2 and v1 with it
    modalias(pci:v00008086d00005917sv000017AAsd0000225Dbc03sc00i00)  # UHD Graphics 620

Kernels are not in it: which there are is the affair of the system that is planned, see docs/facts.md.
"""

import re
from collections.abc import Iterable, Iterator

from moss.errors import UsageError
from moss.facts import KINDS, Fact, FactKind, architecture_of, in_order, levels_up_to, name_fault
from solver.values import value

_SHAPE = re.compile(r"(?P<word>[^\s(]*)(?P<bracket>\(?)(?P<name>.*)")
_COMMENT = re.compile(r"(?:^|\s)#")
_ANOTHER = re.compile(r"\)\s+[\w-]+\(")
_TOLD_FAULTS = 10


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
    kind = KINDS.get(shape["word"])
    if kind is None:
        return _Fault(line, column, f"there is no kind of fact {shape['word']!r}: there are {', '.join(KINDS)}")
    if kind is FactKind.KERNEL:
        return _Fault(line, column, "kernels are those of the system that is planned, not of a machine")
    inside = column + shape.start("name")
    if another := _ANOTHER.search(shape["name"]):
        return _Fault(line, inside + another.start() + 1, "a second fact: each has a line of its own")
    if not shape["name"].endswith(")"):
        return _Fault(line, column + len(said), "the closing bracket is missing")
    name = shape["name"][:-1]
    wrong = name_fault(kind, name)
    if wrong is not None:
        return _Fault(line, inside + wrong[0], wrong[1])
    names = levels_up_to(name) if kind is FactKind.CPU else (name,)
    return tuple(Fact(f"{kind.value}({one})", source) for one in names)


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
