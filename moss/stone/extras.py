"""What moss says of a package beyond format v1, as attributes.

    moss.relations/1        canonical JSON: relation word -> list of formula texts
    moss.version-scheme/1   the scheme's name in lower case; absent for stone
    moss.source/1           what the package was made from, `sha256:<hex>`
    moss.installed-size/1   in an index only: bytes that the package's distinct files take, in decimal
    moss.subscriptions/1    in an index only: canonical JSON, name of a file of definitions -> its text in KDL
    moss.content-id/1       in an index only: which package it is, whatever it comes in: 64 hexadecimal digits
    moss.xattrs/1           extended attributes of the package's files: moss/stone/xattrs.py

In an index each key but that of subscriptions is preceded by the package's digest and a slash.
docs/stone-format.md spells them.
"""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from moss.digest import PackageDigest
from moss.package import Metadata, Relations
from moss.relation_texts import FOREIGN, MULTI_ARCH, WORDS, relations_of, texts_of
from moss.stone.container import Place
from moss.stone.objects import json_object
from solver.formula import FormulaError
from solver.values import replace
from solver.version import Scheme

RELATIONS = "moss.relations/1"
VERSION_SCHEME = "moss.version-scheme/1"
SOURCE = "moss.source/1"
INSTALLED_SIZE = "moss.installed-size/1"
SUBSCRIPTIONS = "moss.subscriptions/1"
CONTENT_ID = "moss.content-id/1"

_SCHEMES = {scheme.name.lower(): scheme for scheme in Scheme}
_PREFIX = re.compile(r"[0-9a-f]{64}/")
_KEY = re.compile(
    r"(?P<topic>(?:[0-9a-f]{64}/)?moss\.(?:relations|version-scheme|source|installed-size|content-id|xattrs))/(?P<version>[^/]*)\Z"
)
_DECIMAL = re.compile(rb"(?:0|[1-9][0-9]{0,18})\Z")
_FILE = re.compile(r"[^/\x00-\x20\x7f.][^/\x00-\x1f\x7f]{0,99}\.kdl\Z")
_CONTENT_ID = re.compile(rb"[0-9a-f]{64}\Z")
_SOURCE = re.compile(r"sha256:[0-9a-f]{64}\Z")


class Extras(NamedTuple):
    """The part of a `Metadata` that format v1 has no tags for."""

    relations: Relations | None = None
    scheme: Scheme = Scheme.STONE
    source_digest: str | None = None


NO_EXTRAS = Extras()


def decode_extras(attributes: Mapping[str, bytes], place: Place, prefix: str = "") -> Extras:
    """A package's extras, from the attributes whose keys begin with `prefix`."""
    scheme = attributes.get(prefix + VERSION_SCHEME)
    source = attributes.get(prefix + SOURCE)
    relations = attributes.get(prefix + RELATIONS)
    return Extras(
        None if relations is None else _decode_relations(relations, place),
        Scheme.STONE if scheme is None else _decode_scheme(scheme, place),
        None if source is None else _decode_source(source, place),
    )


def decode_installed_size(attributes: Mapping[str, bytes], place: Place, prefix: str) -> int | None:
    """What an index says of a package's size when installed, if it does."""
    raw = attributes.get(prefix + INSTALLED_SIZE)
    if raw is None:
        return None
    if not _DECIMAL.match(raw):
        raise place.fault(f"attribute {INSTALLED_SIZE} is not a number of bytes")
    return int(raw)


def encode_definitions(texts: Mapping[str, str]) -> bytes:
    """What an index says that subscriptions mean."""
    return json.dumps(texts, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def decode_definitions(attributes: Mapping[str, bytes], place: Place) -> dict[str, str]:
    """The texts of definitions by the names of their files; none where an index has none, or later ones only."""
    raw = attributes.get(SUBSCRIPTIONS)
    if raw is None:
        return {}
    texts = json_object(raw, place, f"attribute {SUBSCRIPTIONS}")
    if not all(isinstance(text, str) for text in texts.values()):
        raise place.fault(f"attribute {SUBSCRIPTIONS} is not a JSON object of texts")
    for name in texts:
        if not _FILE.match(name):
            raise place.fault(f"attribute {SUBSCRIPTIONS}: {name[:80]!r} is no name of a file of definitions")
    return texts


def decode_content_id(attributes: Mapping[str, bytes], place: Place, prefix: str) -> str | None:
    """What an index says a package is, if it does."""
    raw = attributes.get(prefix + CONTENT_ID)
    if raw is None:
        return None
    if not _CONTENT_ID.match(raw):
        raise place.fault(f"attribute {CONTENT_ID} is not 64 hexadecimal digits")
    return raw.decode()


def refuse_later_versions(attributes: Mapping[str, bytes], place: Place) -> None:
    """FormatTooNew where a topic is there only in a version that this moss does not read: what a
    package needs must not be guessed."""
    for key in attributes:
        match = _KEY.match(key)
        if match and match["version"] != "1" and f"{match['topic']}/1" not in attributes:
            raise place.too_new(f"attribute '{key}' is of a version that is not known")


def prefix_of(key: str) -> PackageDigest | None:
    """The package that an attribute of an index belongs to."""
    return PackageDigest(key[:64]) if _PREFIX.match(key) else None


def with_extras(metadata: Metadata, extras: Extras) -> Metadata:
    if extras == NO_EXTRAS:
        return metadata
    relations, scheme, source_digest = extras
    return replace(metadata, rich_relations=relations, scheme=scheme, source_digest=source_digest)


def encode_extras(metadata: Metadata) -> dict[str, bytes]:
    """The attributes that say what tags 1 to 13 cannot; none for a plain package."""
    attributes = {}
    if metadata.rich_relations is not None:
        attributes[RELATIONS] = _encode_relations(metadata.rich_relations)
    if metadata.scheme is not Scheme.STONE:
        attributes[VERSION_SCHEME] = metadata.scheme.name.lower().encode()
    if metadata.source_digest is not None:
        attributes[SOURCE] = metadata.source_digest.encode()
    return attributes


def _encode_relations(relations: Relations) -> bytes:
    return json.dumps(texts_of(relations), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _decode_relations(raw: bytes, place: Place) -> Relations:
    texts = _relation_texts(raw, place)
    try:
        return relations_of(texts)
    except FormulaError as error:
        raise place.fault(f"attribute {RELATIONS}: {error}") from error


def _relation_texts(raw: bytes, place: Place) -> dict[str, list[str]]:
    texts = json_object(raw, place, f"attribute {RELATIONS}")
    for word, values in texts.items():
        if word not in WORDS:
            raise place.fault(f"attribute {RELATIONS} has the unknown word {word!r}")
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise place.fault(f"attribute {RELATIONS}: '{word}' is not a list of texts")
        if word == MULTI_ARCH and values != [FOREIGN]:
            raise place.fault(f"attribute {RELATIONS}: '{word}' is not ['{FOREIGN}']")
    return texts


def _decode_scheme(raw: bytes, place: Place) -> Scheme:
    scheme = _SCHEMES.get(raw.decode("ascii", "replace"))
    if scheme is None:
        raise place.too_new(f"attribute {VERSION_SCHEME}: {raw[:40]!r} is no scheme that moss knows")
    return scheme


def _decode_source(raw: bytes, place: Place) -> str:
    text = raw.decode("ascii", "replace")
    if not _SOURCE.match(text):
        raise place.fault(f"attribute {SOURCE}: {text[:80]!r} is not 'sha256:' and 64 hexadecimal digits")
    return text
