"""Which repositories there were, where the record is lost: by the model's text in a tree, and by what else is kept.

    the text in a tree      names, places, priorities, who vouches
    /.moss/trust            which root was pinned: what counts, whatever a text says
    the cache of offers     where it was, of those that the text does not name; nobody vouches for these
"""

import re
from collections.abc import Iterable

from moss.db import repositories as recorded
from moss.db.candidates import revisions
from moss.debian.source import PREFIX as APT
from moss.errors import MossError
from moss.model_text import StatedRepository, read_model, uri_of
from moss.operations.describing import description_in
from moss.operations.system import System
from moss.repository import BUNDLE_PREFIX, UNSIGNED, Repository, Voucher, Vouching
from moss.root import Root

_FINGERPRINT = "sha256:"


def remember_repositories(system: System, trees: Iterable[str]) -> None:
    """Put on record those that were used here and are not on record; `trees`: the first that says them counts."""
    known = {one.name for one in recorded.repositories(system.record)}
    found = {one.name: _as_said(system.root, one) for one in _stated(trees) if _can_be_on_record(one)}
    for revision in revisions(system.offers):
        name = revision.repository
        found.setdefault(name, Repository(name, revision.uri, 0, True, _kept(system.root, name) or UNSIGNED))
    for name, repository in sorted(found.items()):
        if name not in known:
            recorded.add(system.record, repository, system.clock())


def _stated(trees: Iterable[str]) -> tuple[StatedRepository, ...]:
    for usr in trees:
        try:
            stated = read_model(description_in(usr).text, usr).repositories or ()
            for one in stated:
                uri_of(one)
            return stated
        except (OSError, ValueError, MossError):  # then another tree may say it
            continue
    return ()


def _can_be_on_record(stated: StatedRepository) -> bool:
    """Not where a person has pinned what is no digest: no repository was ever added so."""
    uri = uri_of(stated)
    signed = not (stated.unsigned or uri.startswith((APT, BUNDLE_PREFIX)))
    return not signed or re.fullmatch(f"{_FINGERPRINT}[0-9a-f]{{64}}", stated.trust) is not None


def _as_said(root: Root, stated: StatedRepository) -> Repository:
    uri = uri_of(stated)
    return Repository(stated.name, uri, stated.priority, stated.enabled, _vouching(root, stated, uri))


def _vouching(root: Root, stated: StatedRepository, uri: str) -> Vouching:
    """Never less than the text says: where a root was pinned and is not kept, updates fail until somebody says
    it again."""
    kept = _kept(root, stated.name)
    if kept is not None:
        return Vouching(kept.by, kept.pinned, stated.max_staleness)
    if stated.unsigned:
        return UNSIGNED
    if uri.startswith(BUNDLE_PREFIX):
        return Vouching(Voucher.KEYS)
    if uri.startswith(APT):
        return Vouching(Voucher.KEYRING, stated.trust)
    return Vouching(Voucher.ROOT, stated.trust.removeprefix(_FINGERPRINT), stated.max_staleness)


def _kept(root: Root, repository: str) -> Vouching | None:
    from moss.tuf.trusted import kept_fingerprint  # only where something may be signed

    fingerprint = kept_fingerprint(root.trust_of(repository))
    return None if fingerprint is None else Vouching(Voucher.ROOT, fingerprint)
