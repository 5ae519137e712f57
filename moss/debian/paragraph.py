"""A paragraph of Debian's control files (deb822): the fields of one package.

    Package: hello
    Description: says hello
     in its own words
     .
     and yours
"""

import re
from collections.abc import Iterator, Mapping

from moss.errors import CorruptData

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
