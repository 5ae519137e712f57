"""Packages as a person reads them: tables of many, all about one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from moss.cli.plan_text import reason_text
from moss.cli.text import Page, labelled, paragraphs, plain, size, table

if TYPE_CHECKING:
    from moss.generation import Selected
    from moss.operations.queries import PackageDetails, Update
    from moss.package import Metadata
    from moss.repository import Candidate


def selected_table(packages: Sequence[Selected], page: Page) -> str:
    rows = [
        (
            plain(one.metadata.name),
            plain(one.metadata.ordered_version),
            "you" if one.reason.is_wish else "needed",
            plain(one.metadata.summary),
        )
        for one in packages
    ]
    return table(("Package", "Version", "By", "Summary"), rows, page)


def candidate_table(candidates: Sequence[Candidate], page: Page) -> str:
    rows = [
        (
            plain(one.metadata.name),
            plain(one.metadata.ordered_version),
            plain(one.repository),
            plain(one.metadata.summary),
        )
        for one in candidates
    ]
    return table(("Package", "Version", "Repository", "Summary"), rows, page)


def update_table(updates: Sequence[Update], page: Page) -> str:
    rows = [
        (
            plain(one.installed.metadata.name),
            plain(one.installed.metadata.ordered_version),
            plain(one.newest.metadata.ordered_version),
            plain(one.newest.repository),
        )
        for one in updates
    ]
    return table(("Package", "Installed", "Newest", "Repository"), rows, page)


def details_text(details: PackageDetails, page: Page) -> str:
    """The installed one first, then what repositories offer beside it; relations in full with `-v`."""
    parts = [
        labelled((*_installed_pairs(one), *statement_pairs(one.metadata, page)), page)
        for one in details.installed
    ]
    there = {one.candidate_key for one in details.installed}
    offers = [one for one in details.offered if one.candidate_key not in there]
    if not details.installed and offers:
        parts += [
            labelled((*_offer_pairs(one), *statement_pairs(one.metadata, page)), page) for one in offers
        ]
    elif offers:
        parts.append(page.bold("On offer too:") + "\n" + candidate_table(offers, page))
    return "\n".join(parts)


def statement_pairs(metadata: Metadata, page: Page) -> list[tuple[str, str]]:
    """What a package says of itself; what it needs and provides."""
    relations = metadata.relations
    pairs = [
        ("Summary", plain(metadata.summary)),
        ("About", " ".join(paragraphs(metadata.description))),
        ("Homepage", plain(metadata.homepage)),
        ("Licenses", plain(", ".join(metadata.licenses))),
        ("Needs", _joined(relations.depends, page)),
        ("Recommends", _joined(relations.recommends, page)),
        ("Supplements", _joined(relations.supplements, page)),
        ("Provides", _joined(relations.provides, page)),
        ("Conflicts", _joined(relations.conflicts, page)),
        ("Breaks", _joined(relations.breaks, page)),
        ("Replaces", _joined(relations.replaces, page)),
    ]
    if page.verbose:
        pairs += [
            ("Source", plain(metadata.source_id)),
            ("Made from", plain(metadata.source_digest or "")),
            ("Built with", _joined(metadata.build_depends, page)),
        ]
    return pairs


def label_pairs(metadata: Metadata) -> list[tuple[str, str]]:
    return [
        ("Package", plain(metadata.name)),
        ("Version", plain(f"{metadata.ordered_version} ({metadata.architecture})")),
    ]


def _installed_pairs(selected: Selected) -> list[tuple[str, str]]:
    return [
        *label_pairs(selected.metadata),
        ("Installed", plain(reason_text(selected.reason, selected.metadata.name)) or "yes"),
        ("From", plain(selected.repository)),
        ("Size", size(selected.installed_size)),
    ]


def _offer_pairs(candidate: Candidate) -> list[tuple[str, str]]:
    return [
        *label_pairs(candidate.metadata),
        ("Installed", "no"),
        ("From", plain(candidate.repository)),
        ("Download", size(candidate.stone_size)),
    ]


_MANY = 12


def _joined(things: Iterable[object], page: Page) -> str:
    texts = [plain(str(thing)) for thing in things]
    if len(texts) > _MANY and not page.verbose:
        texts = [*texts[:_MANY], f"and {len(texts) - _MANY} more (-v shows them)"]
    return ", ".join(texts)
