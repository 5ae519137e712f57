"""A repository's Packages index: one paragraph for each package, tens of thousands of them.

The index is read in pieces and never held whole. A paragraph that was there when the index was last read is known
by its fingerprint and not taken apart again. Of the others only what identifies and fetches the package is taken
apart here; its relations are numbered by `moss.debian.universe`, and all the rest is kept as text until someone
asks (`metadata_from_paragraph`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from moss import __version__
from moss.architecture import stone_architecture
from moss.debian.companion import companions_name, is_companion
from moss.debian.paragraph import Fields, parse_fields
from moss.debian.relations import metadata_of, namesake, serves_all
from moss.errors import CorruptData
from moss.package import Metadata

_REMEDY = "moss repo update, or ask the repository's maker"
_LONGEST_PARAGRAPH = 4 << 20
_MOST_PARAGRAPHS = 500_000
"""Eight times what Debian's main has. An index of a few kilobytes can swell to as many as it likes."""
_FORM = 3
"""Raised where another row or another package of a universe is made of a paragraph than before: what was made of it
then is not taken for it any more. (Nor is what another moss has made.)"""
FINGERPRINT_BYTES = 16


def _form_of(version: str, form: int) -> bytes:
    return blake2b(f"{version} {form}".encode(), digest_size=16).digest()


_FORM_OF_THIS = _form_of(__version__, _FORM)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.\-]*")
_FOLD = "\0"
"""Stands for the line break of a folded field, while a paragraph is taken apart."""

_KEPT = frozenset((
    *("Package", "Version", "Architecture", "Source", "Homepage", "Pre-Depends", "Depends", "Recommends"),
    *("Provides", "Conflicts", "Breaks", "Replaces", "Multi-Arch", "Description"),
))  # fmt: skip
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
    installed_size: int | None
    """Bytes, as its maker estimated them; None where the field is missing or no number."""
    filename: str
    """Of the .deb, relative to the mirror's root."""
    summary: str
    fields: dict[str, str]

    @property
    def key(self) -> str:
        """What the solver knows it by, as it will the stone that is converted from it."""
        return f"sha256:{self.sha256}"

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def provided_names(self) -> list[str]:
        """What it provides beside its own name."""
        if "Provides" not in self.fields and not is_companion(self.name):
            return []
        parts = self.fields.get("Provides", "").replace(_FOLD, " ").split(",")
        names = {part.split("(", 1)[0].split(":", 1)[0].strip() for part in parts} - {""}
        if is_companion(self.name):
            plain = names | {namesake(self.fields)[0]} if serves_all(self.fields) else set()
            names = plain | {companions_name(name, self.fields["Architecture"]) for name in names}
        return sorted(names - {self.name})

    @property
    def paragraph(self) -> str:
        text = "\n".join([f"{name}: {value}" for name, value in self.fields.items() if name in _KEPT])
        return text.replace(_FOLD, "\n ") if _FOLD in text else text


class _NotRead:
    """That a paragraph was not taken apart yet."""


_NOT_READ = _NotRead()


class Paragraph:
    """A paragraph as it stands in an index. There are as many of them as packages."""

    __slots__ = ("_index", "_listed", "_offset", "_raw", "fingerprint")

    def __init__(self, raw: bytes, index: "_Index", offset: int) -> None:
        self._raw, self._index, self._offset = raw, index, offset
        self._listed: Listed | _NotRead | None = _NOT_READ
        hasher = index.hasher.copy()
        hasher.update(raw)
        self.fingerprint = hasher.digest()
        """Of its bytes, and of what this moss makes of them. Whoever writes a package's description may look for
        another paragraph with the same one: there is none to be found."""

    @property
    def file(self) -> str:
        """The index, for errors."""
        return self._index.file

    @property
    def listed(self) -> Listed | None:
        """What it says; None of a package for another architecture. CorruptData names the byte, or the package, that
        is wrong."""
        if isinstance(self._listed, _NotRead):
            self._listed = self._read()
        return self._listed

    def _read(self) -> Listed | None:
        file = self._index.file
        try:
            text = self._raw.decode()
        except UnicodeDecodeError as error:
            at = self._offset + error.start
            raise CorruptData("is not UTF-8", file=file, offset=at, remedies=[_REMEDY]) from error
        fields = _fields(text, file)
        architecture = self._index.words.get(fields.get("Architecture", ""))
        if architecture is not None:
            listed = _listed(fields, architecture, file)
            return _as_companion(listed) if self._index.companions else listed
        if "Architecture" not in fields:
            raise _bad(file, fields, "the field 'Architecture' is missing")
        return None


class _Index(NamedTuple):
    file: str
    words: Mapping[str, str]
    """The architectures that are wanted: Debian's words, and moss's."""
    companions: bool
    hasher: blake2b
    """Of fingerprints, before any bytes."""


def read_index(
    pieces: Iterable[bytes], file: str, architectures: Iterable[str], companions: bool = False
) -> Iterator[Paragraph]:
    """The paragraphs in the order of the index; what they say of these architectures (Debian's words), as companions of
    the machine's own packages (`moss.debian.companion`) where that is said.

    `pieces` are the index's plain bytes. CorruptData names the byte that is wrong.
    """
    words = {debian: "noarch" if debian == "all" else stone_architecture(debian) for debian in architectures}
    salt = b"companion" if companions else b""
    hasher = blake2b(digest_size=FINGERPRINT_BYTES, salt=salt, person=_FORM_OF_THIS)
    index = _Index(file, words, companions, hasher)
    rest, offset, count = b"", 0, 0
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
        together = _split(rest[:end], file, offset)
        count += len(together)
        if count > _MOST_PARAGRAPHS:
            what = f"has more than {_MOST_PARAGRAPHS:,} paragraphs, or empty lines"
            raise CorruptData(what, file=file, offset=offset, remedies=[_REMEDY])
        yield from _paragraphs(together, index, offset)
        rest, offset = rest[end + 2 :], offset + end + 2
    yield from _paragraphs(_split(rest, file, offset), index, offset)


def _as_companion(listed: Listed) -> Listed:
    name = companions_name(listed.name, listed.fields["Architecture"])
    return listed._replace(name=name, fields={**listed.fields, "Package": name})


def listed_again(
    paragraph: str, architecture: str, sha256: str, size: int, installed_size: int | None
) -> Listed:
    """A package whose paragraph the cache kept, as the index listed it; without the place of its file."""
    fields = _fields(paragraph, "the cache")
    return Listed(fields["Package"], fields["Version"], architecture, sha256, size, installed_size, "", "", fields)


def metadata_from_paragraph(paragraph: str, key: str) -> Metadata:
    """What a package says of itself, from the paragraph that the cache keeps."""
    return metadata_of(parse_fields(paragraph.encode(), key), key, key)


def _split(raw: bytes, file: str, offset: int) -> list[bytes]:
    """The texts between empty lines."""
    if b"\0" in raw or b"\r" in raw:
        place = min(position for position in (raw.find(b"\0"), raw.find(b"\r")) if position >= 0)
        raise CorruptData("holds a control character", file=file, offset=offset + place, remedies=[_REMEDY])
    return raw.split(b"\n\n")


def _paragraphs(between_empty_lines: Sequence[bytes], index: _Index, offset: int) -> Iterator[Paragraph]:
    for one in between_empty_lines:
        plain = one.strip(b"\n")
        if plain and not plain.isspace():
            before = 0 if len(plain) == len(one) else one.index(plain)
            yield Paragraph(plain, index, offset + before)
        offset += len(one) + 2


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
    kibibytes = fields.get("Installed-Size", "")
    installed_size = int(kibibytes) * 1024 if kibibytes.isdecimal() and len(kibibytes) < 16 else None
    summary = fields.get("Description", "").split(_FOLD, 1)[0]
    return Listed(name, version, architecture, sha256, size, installed_size, filename, summary, fields)


def _bad(file: str, fields: dict[str, str], what: str) -> CorruptData:
    which = f"{fields.get('Package', 'a package without a name')} {fields.get('Version', '')}".strip()
    return CorruptData(f"the paragraph of {which[:120]}: {what}", file=file, remedies=[_REMEDY])
