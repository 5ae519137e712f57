"""A stone as a person reads it."""

import stat

from moss.cli.package_text import label_pairs, statement_pairs
from moss.cli.text import Page, count, labelled, plain, size, table
from moss.layout import Entry, EntryKind
from moss.package import Published
from moss.stone import PayloadKind, Stone, StoneKind
from moss.xattrs import attributes_in
from solver.values import replace

KIND_WORDS = {
    StoneKind.BINARY: "package",
    StoneKind.DELTA: "delta",
    StoneKind.INDEX: "index",
    StoneKind.MANIFEST: "manifest",
}


def stone_text(stone: Stone, page: Page) -> str:
    """What it says of itself; with `-v` also its payloads and every path."""
    holds = [("Holds", _holds(stone))] if stone.kind is StoneKind.BINARY else []
    parts = [
        labelled((*label_pairs(metadata), *statement_pairs(metadata, page), *holds), page)
        for metadata in stone.statements
    ]
    if stone.kind is StoneKind.INDEX:
        parts.append(_published_table(stone.published, page))
    if page.verbose:
        parts.append(_payload_table(stone, page))
        parts.append(_layout_table(stone.layout, page))
    return "\n".join(part for part in parts if part) or "It holds nothing.\n"


def checked_text(stone: Stone) -> str:
    what = _holds(stone) if stone.kind is StoneKind.BINARY else KIND_WORDS[stone.kind]
    return f"{plain(stone.name)} is sound: {what}.\n"


def _holds(stone: Stone) -> str:
    kinds = ((EntryKind.REGULAR, "file"), (EntryKind.SYMLINK, "symlink"), (EntryKind.DIRECTORY, "directory"))
    numbers = [(sum(entry.kind is kind for entry in stone.layout), noun) for kind, noun in kinds]
    return ", ".join([*(count(number, noun) for number, noun in numbers if number), size(stone.content_size)])


def _published_table(published: tuple[Published, ...], page: Page) -> str:
    rows = [
        (plain(one.metadata.name), plain(one.metadata.ordered_version), size(one.size), plain(one.uri))
        for one in published
    ]
    return table(("Package", "Version", "Size", "Stone"), rows, page)


def _payload_table(stone: Stone, page: Page) -> str:
    rows = [
        (
            payload_word(payload.header.kind),
            payload.header.compression.name.lower(),
            str(payload.header.stored_size),
            str(payload.header.plain_size),
            str(payload.header.records),
        )
        for payload in stone.payloads
    ]
    return table(("Payload", "Packed", "Stored", "Plain", "Records"), rows, page)


def _layout_table(layout: tuple[Entry, ...], page: Page) -> str:
    rows = [(stat.filemode(entry.mode), f"{entry.uid}:{entry.gid}", _path_text(entry)) for entry in layout]
    return table(("Mode", "Owner", "Path"), rows, replace(page, width=None))


def _path_text(entry: Entry) -> str:
    arrow = f" -> {entry.link_target}" if entry.link_target is not None else ""
    names = ", ".join(attributes_in(entry.xattrs))
    return plain(f"/usr/{entry.path}{arrow}") + (f"  [{plain(names)}]" if names else "")


def payload_word(kind: PayloadKind | int) -> str:
    return kind.name.lower() if isinstance(kind, PayloadKind) else f"unknown-{kind}"
