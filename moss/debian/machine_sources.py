"""apt's own sources, as they are written: one-line `*.list` and deb822 `*.sources` (sources.list(5)). Pure."""

import re
from collections.abc import Iterator, Mapping

from moss.errors import CorruptData
from solver.values import value

_WORD = re.compile(r"(?:\[[^]]*\]|[^\s\[])+")
"""Of a line: `cdrom:[Debian 12 _Bookworm_]/` is one."""
_OPTIONS = re.compile(r"\[([^]]*)\]")
_YES, _NO = ("yes", "true", "with", "on", "enable", "1"), ("no", "false", "without", "off", "disable", "0")
_KEYS = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_SAID = {"arch": "architectures"} | {name: name for name in ("signed-by", "trusted", "check-valid-until")}
"""What the options of a line are called as fields."""


@value
class MachineSource:
    """One place with its suites."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    keyrings: tuple[str, ...] = ()
    """Files; neither these nor `keys`: the keyrings that apt trusts for everything."""
    keys: str = ""
    """Keys that are written down in the source itself, in armor."""
    key_ids: tuple[str, ...] = ()
    """Fingerprints: of the keys that apt trusts, only these."""
    architectures: tuple[str, ...] = ()
    """Debian's words; none: the machine's own."""
    trusted: bool = False
    """The admin has said that nobody needs to sign it."""
    expires: bool = True
    """What it has signed is good until the day it says."""
    written_in: str = ""
    """The file."""


def parse_sources(text: str, file: str) -> tuple[MachineSource, ...]:
    """What a file says of binary packages; what is disabled or of sources is left out. CorruptData."""
    reader = _deb822 if file.endswith(".sources") else _one_lines
    return tuple(reader(text, file))


def _one_lines(text: str, file: str) -> Iterator[MachineSource]:
    for number, line in enumerate(text.splitlines(), 1):
        words = _WORD.findall(line.partition("#")[0])
        if not words or words[0] == "deb-src":
            continue
        options: dict[str, str] = {}
        found = _OPTIONS.fullmatch(words[1]) if len(words) > 1 else None
        if found is not None:
            said = dict(word.partition("=")[::2] for word in found[1].split())
            options = {_SAID[name]: said[name] for name in _SAID if name in said}
            del words[1]
        if words[0] != "deb" or len(words) < 3:
            raise CorruptData(f"line {number} is no source", file=file, remedies=["see sources.list(5)"])
        _, uri, suite, *components = words
        yield _source(uri, (suite,), components, options, file)


def _deb822(text: str, file: str) -> Iterator[MachineSource]:
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields = _fields(paragraph, file)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in _NO:
            continue
        if not fields.get("uris") or not fields.get("suites"):
            raise CorruptData("a source names no URIs, or no Suites", file=file, remedies=["see sources.list(5)"])
        for uri in fields["uris"].split():
            yield _source(uri, fields["suites"].split(), fields.get("components", "").split(), fields, file)


def _fields(paragraph: str, file: str) -> dict[str, str]:
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
    return fields


def _source(
    uri: str, suites: "list[str] | tuple[str, ...]", components: list[str], said: Mapping[str, str], file: str
) -> MachineSource:
    signed_by = said.get("signed-by", "")
    in_armor = _KEYS in signed_by
    words = [] if in_armor else [word.rstrip("!") for word in signed_by.replace(",", " ").split()]
    lines = ["" if line == "." else line for line in signed_by.strip().splitlines()] if in_armor else []
    return MachineSource(
        uri,
        tuple(suites),
        tuple(components),
        tuple(word for word in words if word.startswith("/")),
        "".join(f"{line}\n" for line in lines),
        tuple(word for word in words if not word.startswith("/")),
        tuple(said.get("architectures", "").replace(",", " ").split()),
        said.get("trusted", "").lower() in _YES,
        said.get("check-valid-until", "yes").lower() not in _NO,
        file,
    )
