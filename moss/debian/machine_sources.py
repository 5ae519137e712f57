"""apt's own sources, as they are written: one-line `*.list` and deb822 `*.sources` (sources.list(5)). Pure."""

import re
from collections.abc import Iterator

from moss.errors import CorruptData
from solver.values import value

_OPTIONS = re.compile(r"\[([^]]*)\]")


@value
class MachineSource:
    """One place with its suites."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    keyring: str
    """A file; empty: the keyrings that apt trusts for everything."""
    architectures: tuple[str, ...] = ()
    """Debian's words; none: the machine's own."""


def parse_sources(text: str, file: str) -> tuple[MachineSource, ...]:
    """What a file says of binary packages; what is disabled or of sources is left out. CorruptData."""
    reader = _deb822 if file.endswith(".sources") else _one_lines
    return tuple(reader(text, file))


def _one_lines(text: str, file: str) -> Iterator[MachineSource]:
    for number, line in enumerate(text.splitlines(), 1):
        said = line.partition("#")[0].strip()
        if not said or said.split()[0] == "deb-src":
            continue
        options: dict[str, str] = {}
        found = _OPTIONS.search(said)
        if found is not None:
            options = dict(word.partition("=")[::2] for word in found[1].split())
            said = said.replace(found[0], " ", 1)
        words = said.split()
        if words[0] != "deb" or len(words) < 3:
            raise CorruptData(f"line {number} is no source", file=file, remedies=["see sources.list(5)"])
        _, uri, suite, *components = words
        architectures = tuple(filter(None, options.get("arch", "").split(",")))
        yield MachineSource(uri, (suite,), tuple(components), options.get("signed-by", ""), architectures)


def _deb822(text: str, file: str) -> Iterator[MachineSource]:
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t" and name:
                fields[name] += f"\n{line.strip()}"
                continue
            name, sign, said = line.partition(":")
            name = name.strip().lower()
            if not sign:
                raise CorruptData(f"{line[:60]!r} is no field", file=file, remedies=["see sources.list(5)"])
            fields[name] = said.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        keyring = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            yield MachineSource(
                uri, tuple(fields.get("suites", "").split()), tuple(fields.get("components", "").split()),
                keyring if keyring.startswith("/") else "", tuple(fields.get("architectures", "").split()),
            )  # fmt: skip
