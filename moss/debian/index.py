"""A repository's Packages index: one paragraph for each package, tens of thousands of them.

The index is read in pieces and never held whole. Of each paragraph only what identifies and fetches
the package is taken apart here; its relations are numbered by `moss.debian.universe`, and all the rest
is kept as text until someone asks (`metadata_from_paragraph`).
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from moss.architecture import stone_architecture
from moss.debian.paragraph import Fields, parse_fields
from moss.debian.relations import metadata_of
from moss.errors import CorruptData
from moss.package import Metadata

_REMEDY = "moss repo update, or ask the repository's maker"
_LONGEST_PARAGRAPH = 4 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.\-]*")
_FOLD = "\0"
"""Stands for the line break of a folded field, while a paragraph is taken apart."""

_KEPT = (
    *("Package", "Version", "Architecture", "Source", "Homepage", "Pre-Depends", "Depends", "Recommends"),
    *("Provides", "Conflicts", "Breaks", "Replaces", "Description"),
)
"""Fields that metadata is made of."""


class Listed(NamedTuple):
    """A package as an index lists it. `fields` hold the relations; `paragraph` is what the cache keeps.

    A tuple of plain texts: there are 60,000 of them.
    """

    name: str
    version: str
    architecture: str
    """In moss's word: `x86_64`, `noarch`."""
    sha256: str
    size: int
    """Bytes of the .deb."""
    filename: str
    """Of the .deb, relative to the mirror's root."""
    summary: str
    fields: dict[str, str]

    @property
    def key(self) -> str:
        """What the solver knows it by, as it will the stone that is converted from it."""
        return f"sha256:{self.sha256}"

    @property
    def installed_size(self) -> int | None:
        """Bytes, as its maker estimated them; None where the field is missing or no number."""
        kibibytes = self.fields.get("Installed-Size", "")
        return int(kibibytes) * 1024 if kibibytes.isdecimal() and len(kibibytes) < 16 else None

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def provided_names(self) -> list[str]:
        """What it provides beside its own name."""
        parts = self.fields.get("Provides", "").replace(_FOLD, " ").split(",")
        names = {part.split("(", 1)[0].split(":", 1)[0].strip() for part in parts}
        return sorted(names - {"", self.name})

    @property
    def paragraph(self) -> str:
        fields = self.fields
        text = "\n".join([f"{name}: {fields[name]}" for name in _KEPT if name in fields])
        return text.replace(_FOLD, "\n ") if _FOLD in text else text


def read_index(pieces: Iterable[bytes], file: str, architectures: Iterable[str]) -> Iterator[Listed]:
    """The packages of these architectures (Debian's words), in the order of the index.

    `pieces` are the index's plain bytes. CorruptData names the byte, or the package, that is wrong.
    """
    words = {debian: "noarch" if debian == "all" else stone_architecture(debian) for debian in architectures}
    for text in _paragraphs(pieces, file):
        fields = _fields(text, file)
        architecture = words.get(fields.get("Architecture", ""))
        if architecture is not None:
            yield _listed(fields, architecture, file)
        elif "Architecture" not in fields:
            raise _bad(file, fields, "the field 'Architecture' is missing")


def listed_again(paragraph: str, architecture: str, sha256: str, size: int) -> Listed:
    """A package whose paragraph the cache kept, as the index listed it; without the place of its file."""
    fields = _fields(paragraph, "the cache")
    return Listed(fields["Package"], fields["Version"], architecture, sha256, size, "", "", fields)


def metadata_from_paragraph(paragraph: str, key: str) -> Metadata:
    """What a package says of itself, from the paragraph that the cache keeps."""
    return metadata_of(parse_fields(paragraph.encode(), key), key, key)


def _paragraphs(pieces: Iterable[bytes], file: str) -> Iterator[str]:
    """The texts between empty lines."""
    rest, offset = b"", 0
    for piece in pieces:
        rest += piece
        end = rest.rfind(b"\n\n")
        if end < 0:
            if len(rest) > _LONGEST_PARAGRAPH:
                raise CorruptData(
                    f"no end of the package's paragraph within {_LONGEST_PARAGRAPH:,} bytes: it is no Packages index",
                    file=file,
                    offset=offset,
                    remedies=[_REMEDY],
                )
            continue
        yield from _split(rest[:end], file, offset)
        rest, offset = rest[end + 2 :], offset + end + 2
    yield from _split(rest, file, offset)


def _split(raw: bytes, file: str, offset: int) -> Iterator[str]:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise CorruptData("is not UTF-8", file=file, offset=offset + error.start, remedies=[_REMEDY]) from error
    if _FOLD in text or "\r" in text:
        place = min(position for position in (text.find(_FOLD), text.find("\r")) if position >= 0)
        raise CorruptData(
            "holds a control character",
            file=file,
            offset=offset + len(text[:place].encode()),
            remedies=[_REMEDY],
        )
    for paragraph in text.split("\n\n"):
        if paragraph and not paragraph.isspace():
            yield paragraph.strip("\n")


def _fields(text: str, file: str) -> dict[str, str]:
    """Names as Debian's indexes spell them; a folded value has _FOLD where its lines broke."""
    lines = text.replace("\n ", _FOLD).split("\n")
    try:
        fields = dict([line.split(": ", 1) for line in lines])
        if len(fields) == len(lines):
            return fields
        raise ValueError("a field comes twice")
    except ValueError:  # a field without a value, a tab, or no field at all: read it with more care
        careful: Fields = parse_fields(text.encode(), f"{file}: the paragraph of {text.split(chr(10), 1)[0][:80]}")
        names = {line.split(":", 1)[0] for line in text.split("\n")}
        return {
            name: careful[name].replace("\n ", _FOLD).replace("\n\t", _FOLD) for name in names if name in careful
        }


def _listed(fields: dict[str, str], architecture: str, file: str) -> Listed:
    try:
        name, version, sha256 = fields["Package"], fields["Version"], fields["SHA256"]
        size, filename = int(fields["Size"]), fields["Filename"]
    except KeyError as missing:
        raise _bad(file, fields, f"the field {missing} is missing") from missing
    except ValueError as wrong:
        raise _bad(file, fields, f"the field 'Size' is {fields['Size'][:40]!r}") from wrong
    if not _SHA256.fullmatch(sha256):
        raise _bad(file, fields, f"the field 'SHA256' is {sha256[:80]!r}")
    if not _NAME.fullmatch(name):
        raise _bad(file, fields, f"the field 'Package' is {name[:60]!r}, which cannot be one")
    if size < 0:
        raise _bad(file, fields, f"the field 'Size' is {size}")
    summary = fields.get("Description", "").split(_FOLD, 1)[0]
    return Listed(name, version, architecture, sha256, size, filename, summary, fields)


def _bad(file: str, fields: dict[str, str], what: str) -> CorruptData:
    which = f"{fields.get('Package', 'a package without a name')} {fields.get('Version', '')}".strip()
    return CorruptData(f"the paragraph of {which[:120]}: {what}", file=file, remedies=[_REMEDY])
