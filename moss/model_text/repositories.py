"""Repositories as the record has them, and as the text does."""

from collections.abc import Iterable

from moss.debian.source import PREFIX
from moss.model_text.values import StatedRepository
from moss.repository import BUNDLE_PREFIX, Repository, Voucher
from solver.values import replace

DEFAULT_CHANNEL = "main"
_FINGERPRINT = "sha256:"


def as_stated(repository: Repository) -> StatedRepository:
    """A repository on record, as the text says it."""
    vouching = repository.vouching
    base, _, version = "", "", ""
    if "#" in repository.uri and not repository.uri.startswith((PREFIX, BUNDLE_PREFIX)):
        base, _, version = repository.uri.partition("#")
    channel, _, version = version.partition("/")
    return StatedRepository(
        repository.name,
        uri="" if base else repository.uri,
        base_uri=base,
        channel="" if channel == DEFAULT_CHANNEL else channel,
        version=version,
        priority=repository.priority,
        enabled=repository.enabled,
        unsigned=repository.unsigned,
        trust=_FINGERPRINT + vouching.pinned if vouching.by is Voucher.ROOT else "",
        max_staleness=vouching.max_staleness,
    )


def uri_of(stated: StatedRepository) -> str:
    """Where it is, as `repo add` takes it; of a versioned repository BASE#CHANNEL/VERSION."""
    if stated.uri:
        return stated.uri
    return f"{stated.base_uri}#{stated.channel or DEFAULT_CHANNEL}/{stated.version}"


def same_repositories(stated: Iterable[StatedRepository], recorded: Iterable[Repository]) -> bool:
    """Whether the text names just those on record, and as they are; its descriptions are nobody's concern."""
    said = {one.name: _comparable(one) for one in stated}
    return said == {one.name: _comparable(as_stated(one)) for one in recorded}


def _comparable(one: StatedRepository) -> StatedRepository:
    channel = "" if one.channel == DEFAULT_CHANNEL else one.channel
    return replace(one, description="", channel=channel, base_uri="" if one.uri else one.base_uri)
