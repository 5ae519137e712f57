"""What a package says of itself, as the canonical JSON that both databases keep.

Name, version, release, architecture and scheme have columns of their own; everything else is here.
"""

import json
from typing import Any

from moss.capability import Capability
from moss.package import Metadata, Relations
from solver.model import Provide, Relation, parse_formula, parse_provide, parse_relation
from solver.version import Scheme

_TEXTS = ("summary", "description", "homepage", "source_id")
_CAPABILITIES = ("depends", "provides", "conflicts")
_FORMULAS = ("depends", "recommends", "supplements")
_RELATIONS = ("conflicts", "breaks", "replaces")


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
        found["relations"] = {
            key: [str(item) for item in getattr(metadata.rich_relations, key)]
            for key in (*_FORMULAS, "provides", *_RELATIONS)
            if getattr(metadata.rich_relations, key)
        }
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
        scheme=Scheme(scheme),
        licenses=tuple(found.get("licenses", ())),
        source_digest=found.get("source_digest"),
        rich_relations=None if relations is None else _relations_from(relations),
        **{key: found.get(key, "") for key in _TEXTS},
        **{key: tuple(map(Capability.parse, found.get(key, ()))) for key in _CAPABILITIES},
    )


def _relations_from(found: dict[str, list[str]]) -> Relations:
    formulas = {key: tuple(map(parse_formula, found.get(key, ()))) for key in _FORMULAS}
    plain: dict[str, tuple[Relation, ...]] = {
        key: tuple(map(parse_relation, found.get(key, ()))) for key in _RELATIONS
    }
    provides: tuple[Provide, ...] = tuple(map(parse_provide, found.get("provides", ())))
    return Relations(**formulas, **plain, provides=provides)
