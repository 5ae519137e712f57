"""Repositories as the record has them, and as the text does."""

from collections.abc import Iterable

from moss.model_text.values import StatedRepository
from moss.repository import Repository, Voucher
from moss.versioned import PREFIX as VERSIONED
from moss.versioned import VersionedSource
from solver.values import replace

DEFAULT_CHANNEL = "main"
_FINGERPRINT = "sha256:"


def as_stated(repository: Repository) -> StatedRepository:
    """A repository on record, as the text says it."""
    vouching = repository.vouching
    base = version = channel = ""
    if repository.uri.startswith(VERSIONED):
        source = VersionedSource.parse(repository.uri)
        if not source.architecture:
            base, version, channel = source.base, f"{source.kind}/{source.id}", source.channel
    return StatedRepository(
        repository.name,
        uri="" if base else repository.uri,
        base_uri=base,
        channel="" if channel == DEFAULT_CHANNEL else channel,
        version=version,
        priority=repository.priority,
        enabled=repository.enabled,
        unsigned=repository.unsigned,
        trust=_FINGERPRINT + vouching.pinned if vouching.by is Voucher.ROOT else vouching.pinned,
        max_staleness=vouching.max_staleness,
    )


def uri_of(stated: StatedRepository) -> str:
    """Where it is, as `repo add` takes it; UsageError where that names no version."""
    if stated.uri:
        return stated.uri
    return str(VersionedSource.of(stated.base_uri, stated.version, stated.channel))


def same_repositories(stated: Iterable[StatedRepository], recorded: Iterable[Repository]) -> bool:
    """Whether the text names just those on record, and as they are; its descriptions are nobody's concern."""
    said = {one.name: comparable(one) for one in stated}
    return said == {one.name: comparable(as_stated(one)) for one in recorded}


def comparable(one: StatedRepository) -> StatedRepository:
    """What two ways of saying the same have in common."""
    channel = "" if one.channel == DEFAULT_CHANNEL else one.channel
    base = "" if one.uri else f"{one.base_uri.rstrip('/')}/"
    return replace(one, description="", channel=channel, base_uri=base)
