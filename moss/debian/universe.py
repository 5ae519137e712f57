"""A Packages index straight into a compiled universe.

An index says the same things over and over: of a million relations less than a tenth differ. Each text
is taken apart once and then stands for its number, so that no value is made of a package on the way.
And it says nearly all that it said when it was last read: a paragraph that was compiled then is not taken apart.
The result is the universe that the packages' metadata would be compiled to; a test compares them.
"""

import re
from collections.abc import Callable, Iterator

from moss.debian.companion import companions_name, is_companion, named
from moss.debian.compiled import Compiled
from moss.debian.index import FINGERPRINT_BYTES, Listed, Paragraph
from moss.debian.relations import OPERATORS, RELATION_PATTERN, beside_namesake, namesake, serves_all
from moss.errors import CorruptData
from solver.assemble import Assembly, Version
from solver.compile import EVERY_ARCH
from solver.continued import Continued
from solver.model import Operator
from solver.universe import Universe
from solver.version import Scheme, VersionError

_RELATION = re.compile(rf"\s*{RELATION_PATTERN}\s*")
_FIELDS = {
    "Pre-Depends": "depends",
    "Depends": "depends",
    "Recommends": "recommends",
    "Conflicts": "conflicts",
    "Breaks": "breaks",
    "Replaces": "replaces",
}
_DEB = Scheme.DEB
_AGAINST = ("Conflicts", "Breaks", "Replaces")
_Own = tuple[str, bool]
"""A package's architecture, and whether it is a companion."""


def _cut(fingerprints: bytes) -> Iterator[bytes]:
    return (fingerprints[at : at + FINGERPRINT_BYTES] for at in range(0, len(fingerprints), FINGERPRINT_BYTES))


class _Odd(Exception):
    """A text that is not written the usual way; what is wrong with it, if anything."""


class IndexCompiler:
    """Takes the packages of an index one by one; `compiled` is their universe. `before` is what this repository's
    index was compiled to before, where that is known.

    A package that comes twice counts once. CorruptData names the package whose fields are wrong.
    """

    def __init__(self, repository: str, before: Compiled | None = None) -> None:
        self._assembly: Assembly = Assembly()
        self._fingerprints: list[bytes] = []
        """Of the assembly's rows: first those of the packages of that universe."""
        self._before: dict[bytes, int] = {}
        """Those packages by their fingerprints."""
        if before is not None:
            universe = Universe.from_bytes(before.universe)
            assert len(before.fingerprints) == FINGERPRINT_BYTES * len(universe)
            self._fingerprints += _cut(before.fingerprints)
            self._before = dict(zip(self._fingerprints, range(len(universe)), strict=True))
            self._keys = [universe.text(number) for number in universe.key]
            self._continued = self._assembly = Continued(universe)
        assembly = self._assembly
        self._repository = assembly.text(repository.encode())
        self._arches: dict[str, int] = {}
        relations = _Numbers(self._relation)
        self._numbers = {
            "Depends": _Numbers(self._choice),
            "Conflicts": relations,
            "Breaks": relations,
            "Replaces": relations,
        }
        # What companions say against packages of the machine's own architecture reads like what they say of others.
        self._of_the_machine = _Numbers(self._relation)
        self._numbers["Pre-Depends"] = self._numbers["Recommends"] = self._numbers["Depends"]
        self._provides: dict[tuple[str, str], list[tuple[int, Version]]] = {}

    def __len__(self) -> int:
        return len(self._assembly.keys)

    def take(self, paragraph: Paragraph) -> bool:
        """Whether it is of a package that is wanted, and new."""
        known = self._before.get(paragraph.fingerprint)
        if known is not None:
            key = self._keys[known]
            if key in self._assembly.keys:
                return False
            self._continued.stay(key, known)
            return True
        listed = paragraph.listed
        if listed is None or not self.add(listed, paragraph.file):
            return False
        self._fingerprints.append(paragraph.fingerprint)
        return True

    def add(self, listed: Listed, file: str) -> bool:
        """Whether it is new. `file` is where it is listed, for errors."""
        key = listed.key
        if key in self._assembly.keys:
            return False
        try:
            self._add(key, listed)
        except (_Odd, VersionError) as wrong:
            raise CorruptData(
                f"the paragraph of {listed.label}: {wrong}",
                file=file,
                remedies=["moss repo update, or ask the repository's maker"],
            ) from wrong
        return True

    def _add(self, key: str, listed: Listed) -> None:
        fields, assembly = listed.fields, self._assembly
        own = (fields["Architecture"], is_companion(listed.name))
        arch = self._arches.get(listed.architecture)
        if arch is None:
            arch = self._arches[listed.architecture] = assembly.text(listed.architecture.encode())
        provides = self._provided(fields["Provides"], own) if "Provides" in fields else ()
        flags = EVERY_ARCH if serves_all(fields) else 0
        if own[1] and flags:
            flags, provides = 0, [*provides, *self._provided_for_all(fields, own)]
        assembly.add(
            key,
            name=assembly.capability(listed.name),
            version=assembly.version(_DEB, listed.version),
            scheme=_DEB,
            arch=arch,
            repository=self._repository,
            size=listed.size,
            installed_size=listed.installed_size,
            flags=flags,
            provides=provides,
            listed=self._listed(fields, own),
        )

    def _listed(self, fields: dict[str, str], own: _Own) -> dict[str, dict[int, None]]:
        """What a package's relations are, by the lists of a universe."""
        listed: dict[str, dict[int, None]] = {}
        for name, kind in _FIELDS.items():
            if name in fields:
                try:
                    found = self._numbers[name].of(fields[name], own)
                    if own[1] and name in _AGAINST:
                        found |= self._against_the_machine(name, fields, own)
                except _Odd as wrong:
                    raise _Odd(f"{name}: {wrong}") from wrong
                listed[kind] = listed[kind] | found if kind in listed else found
        if own[1]:
            listed["conflicts"] = listed.get("conflicts", {}) | dict.fromkeys(self._beside_namesake(fields))
        return listed

    def _against_the_machine(self, name: str, fields: dict[str, str], own: _Own) -> dict[int, None]:
        """What a companion says against packages of the machine's own architecture."""
        provided = {_parsed(part)[0] for part in _parts(fields.get("Provides", ""))}
        others = [part for part in _parts(fields[name]) if _parsed(part)[0] not in provided]
        return self._of_the_machine.of(", ".join(others), (own[0], False))

    def _provided_for_all(self, fields: dict[str, str], own: _Own) -> list[tuple[int, Version]]:
        """What a companion that serves every architecture provides by the names of the machine's own packages."""
        name, version = namesake(fields)
        itself = (self._assembly.capability(name), self._assembly.version(_DEB, version))
        return [itself, *self._provided(fields.get("Provides", ""), (own[0], False))]

    def _beside_namesake(self, fields: dict[str, str]) -> list[int]:
        assembly = self._assembly
        return [
            assembly.relation(_DEB, one.name, one.operator, assembly.version(_DEB, one.version), None)
            for one in beside_namesake(fields)
        ]

    def compiled(self) -> Compiled:
        """The universe of all that was added; the compiler is used up by it."""
        # What texts stand for is not asked any more; matching and packing need the room.
        self._provides.clear()
        self._numbers.clear()
        self._of_the_machine.clear()
        universe = self._assembly.packed()
        if not self._fingerprints:  # they did not come as paragraphs
            return Compiled(universe)
        return Compiled(universe, b"".join(map(self._fingerprints.__getitem__, self._assembly.order)))

    def _provided(self, text: str, own: _Own) -> list[tuple[int, Version]]:
        kind = (text, own[0] if own[1] else "")
        found = self._provides.get(kind)
        if found is None:
            parts = [_parsed(part) for part in _parts(text)]
            for name, operator, _, _ in parts:
                if operator not in (None, Operator.EQ):
                    raise _Odd(f"Provides: {name!r} is provided in a range of versions; only '=' is possible")
            assembly = self._assembly
            found = self._provides[kind] = list(
                dict.fromkeys(
                    (
                        assembly.capability(companions_name(name, own[0]) if own[1] else name),
                        assembly.version(_DEB, wanted),
                    )
                    for name, _, wanted, _ in parts
                )
            )
        return found

    def _relation(self, text: str, own: _Own) -> int:
        name, operator, version, qualifier = _parsed(text)
        if qualifier is not None or own[1]:
            name, qualifier = named(name, qualifier, *own)
        assembly = self._assembly
        return assembly.relation(_DEB, name, operator, assembly.version(_DEB, version), qualifier)

    def _choice(self, text: str, own: _Own) -> int:
        """The number of the formula that wants one of several."""
        parts = [self._relation(part, own) for part in text.split("|")] if "|" in text else (self._relation(text, own),)
        return self._assembly.formula(_DEB, parts)


class _Numbers(dict[str, int]):
    """From the text between two commas to its number. An index says the same things over and over."""

    def __init__(self, read: Callable[[str, _Own], int]) -> None:
        self._read, self._own = read, ("", False)
        self._of_own: dict[tuple[_Own, str], int] = {}

    def of(self, text: str, own: _Own) -> dict[int, None]:
        """The numbers of a field's parts, each once, for a package of this architecture."""
        self._own = own
        number_of = self.__getitem__  # asked so, a dict of one's own is as quick as any
        try:
            return dict.fromkeys(map(number_of, text.split(", ")))
        except _Odd:  # perhaps only spaced in another way
            return dict.fromkeys(map(number_of, _parts(text)))

    def __missing__(self, part: str) -> int:
        own = self._own
        if not own[1] and ":" not in part:  # it means the same whatever the package's architecture is
            number = self[part] = self._read(part, own)
            return number
        number_of_own = self._of_own.get((own, part))
        if number_of_own is None:
            number_of_own = self._of_own[own, part] = self._read(part, own)
        return number_of_own


def _parts(text: str) -> list[str]:
    """What stands between the commas."""
    return [part for part in text.replace("\0", " ").split(",") if part.strip()]


def _parsed(text: str) -> tuple[str, Operator | None, str | None, str | None]:
    found = _RELATION.fullmatch(text.replace("\0", " "))
    if found is None:
        raise _Odd(f"{text.strip()[:80]!r} is no relation to a package")
    name, arch, operator, version = found.groups()
    return name, None if operator is None else OPERATORS[operator], version, arch
