"""What a package says of itself, as the canonical JSON that both databases keep.

Name, version, release, architecture and scheme have columns of their own; everything else is here.
"""

import json
from functools import partial
from typing import Any

from moss.capability import Capability
from moss.package import Metadata
from moss.relation_texts import relations_of, texts_of
from solver.values import later
from solver.version import Scheme

_SCHEMES = {scheme.name.lower(): scheme for scheme in Scheme}
_TEXTS = ("summary", "description", "homepage", "source_id")
_CAPABILITIES = ("depends", "provides", "conflicts")


def statement_of(metadata: Metadata) -> str:
    """Canonical JSON: keys sorted, what is empty left out."""
    found: dict[str, Any] = {key: getattr(metadata, key) for key in _TEXTS if getattr(metadata, key)}
    if metadata.licenses:
        found["licenses"] = list(metadata.licenses)
    for key in _CAPABILITIES:
        if capabilities := getattr(metadata, key):
            found[key] = [str(capability) for capability in capabilities]
    if metadata.source_digest is not None:
        found["source_digest"] = metadata.source_digest
    if metadata.rich_relations is not None:
        found["relations"] = texts_of(metadata.rich_relations)
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def metadata_from(
    name: str, version: str, release: int, build_release: int, architecture: str, scheme: str, statement: str
) -> Metadata:
    found: dict[str, Any] = json.loads(statement)
    relations = found.get("relations")
    return Metadata(
        name=name,
        version=version,
        release=release,
        build_release=build_release,
        architecture=architecture,
        scheme=_SCHEMES[scheme],
        summary=found.get("summary", ""),
        description=found.get("description", ""),
        homepage=found.get("homepage", ""),
        source_id=found.get("source_id", ""),
        licenses=tuple(found.get("licenses", ())),
        depends=tuple(map(Capability.parse, found.get("depends", ()))),
        provides=tuple(map(Capability.parse, found.get("provides", ()))),
        conflicts=tuple(map(Capability.parse, found.get("conflicts", ()))),
        source_digest=found.get("source_digest"),
        rich_relations=None if relations is None else relations_of(relations),
    )


def metadata_later(
    name: str, version: str, release: int, build_release: int, architecture: str, scheme: str, statement: str
) -> Metadata:
    """The same, its statement read when more of it is asked for: packages are named and compared by the thousand, and
    hardly one is asked what it depends on."""
    return later(
        Metadata, partial(metadata_from, name, version, release, build_release, architecture, scheme, statement),
        name=name, version=version, release=release, build_release=build_release, architecture=architecture,
        scheme=_SCHEMES[scheme],
    )  # fmt: skip
