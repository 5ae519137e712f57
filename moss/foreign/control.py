"""The control member of a .deb: what the package says of itself.

    control                              fields, one paragraph (deb822)
    preinst postinst prerm postrm config maintainer scripts, never run here
    conffiles triggers md5sums           lists, one entry a line

Everything else in it (templates, shlibs, symbols) is passed over.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from moss.errors import CorruptData
from moss.foreign.tarstream import REGULAR, TarStream

SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config")
_WANTED = frozenset({"control", "conffiles", "triggers", "md5sums", *SCRIPTS})
_LONGEST_FILE = 8 << 20
_FIELD = re.compile(r"([!-,.-9;-~][!-9;-~]*):[ \t]*(.*)")


class Fields(Mapping[str, str]):
    """The fields of one paragraph. Names are found whatever their case; values keep their lines."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name.lower(): value for name, value in values.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def summary(self) -> str:
        return self.get("Description", "").partition("\n")[0].strip()

    @property
    def description(self) -> str:
        """The long description: the marks of deb822 taken away, paragraphs kept."""
        _, _, long = self.get("Description", "").partition("\n")
        lines = [line[1:].rstrip() for line in long.split("\n")]
        return "\n".join("" if line == "." else line for line in lines).strip("\n")


@dataclass(frozen=True, slots=True)
class Control:
    """What was found in the control member; scripts by their names."""

    fields: Fields
    scripts: Mapping[str, str] = field(default_factory=dict)
    conffiles: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    md5sums: bytes = b""
    """As it is in the package: `HEX  PATH` lines."""

    def md5_of_paths(self) -> dict[str, str]:
        lines = self.md5sums.decode("utf-8", "surrogateescape").splitlines()
        return {path.strip(): digest for digest, _, path in (line.partition(" ") for line in lines)}


def read_control(tar: TarStream, path: str) -> Control:
    """Read the whole member. CorruptData where it holds no readable `control`."""
    files: dict[str, bytes] = {}
    for entry in tar:
        name = entry.name.removeprefix(b"./").decode("ascii", "replace")
        if name not in _WANTED or entry.kind != REGULAR:
            continue
        if name in files:
            raise tar.fault(f"the control member holds '{name}' twice")
        if entry.size > _LONGEST_FILE:
            raise tar.fault(f"'{name}' in the control member takes {entry.size} bytes")
        files[name] = b"".join(tar.content())
    if "control" not in files:
        raise tar.fault("the control member holds no file 'control'")
    return Control(
        parse_fields(files["control"], f"{path}: control"),
        {name: files[name].decode("utf-8", "replace") for name in SCRIPTS if name in files},
        _lines(files.get("conffiles", b"")),
        _lines(files.get("triggers", b"")),
        files.get("md5sums", b""),
    )


def parse_fields(raw: bytes, file: str) -> Fields:
    """The fields of a text of one paragraph; CorruptData names the line that is wrong."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise CorruptData("it is not UTF-8", file=file, offset=error.start, remedies=[_REMEDY]) from error
    values: dict[str, str] = {}
    last = ""
    for number, line in enumerate(text.strip("\n").split("\n"), 1):
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t") and last:
            values[last] += "\n" + line
            continue
        found = _FIELD.fullmatch(line.rstrip())
        if found is None:
            raise _wrong(file, number, f"{line[:60]!r} is no field")
        last = found[1].lower()
        if last in values:
            raise _wrong(file, number, f"the field '{found[1]}' comes twice")
        values[last] = found[2]
    if bad := [name for name, value in values.items() if _CONTROL_CHARACTER.search(value)]:
        raise CorruptData(f"the field '{bad[0]}' holds control characters", file=file, remedies=[_REMEDY])
    return Fields(values)


_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_REMEDY = "get the package again, or ask its maker to mend it"


def _wrong(file: str, line: int, what: str) -> CorruptData:
    return CorruptData(f"line {line}: {what}", file=file, remedies=[_REMEDY])


def _lines(raw: bytes) -> tuple[str, ...]:
    lines = (line.strip() for line in raw.decode("utf-8", "replace").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
