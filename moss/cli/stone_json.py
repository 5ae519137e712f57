"""A stone as the data that `inspect --json` prints."""

from moss.cli.as_json import package_data, statement_data
from moss.cli.stone_text import KIND_WORDS, payload_word
from moss.layout import Entry, EntryKind
from moss.stone import Stone
from moss.xattrs import attributes_in

_TYPES = {
    EntryKind.REGULAR: "file",
    EntryKind.SYMLINK: "symlink",
    EntryKind.DIRECTORY: "directory",
    EntryKind.CHARACTER_DEVICE: "character-device",
    EntryKind.BLOCK_DEVICE: "block-device",
    EntryKind.FIFO: "fifo",
    EntryKind.SOCKET: "socket",
}


def stone_data(stone: Stone, *, checked: bool) -> dict[str, object]:
    """All that is known of a file before its content is read; `checked` where that was verified too."""
    return {
        "file": stone.name,
        "kind": KIND_WORDS[stone.kind],
        "checked": checked,
        "content_bytes": stone.content_size,
        "packages": [statement_data(metadata) for metadata in stone.statements],
        "published": [
            package_data(one.metadata) | {"uri": one.uri, "digest": one.digest, "download_bytes": one.size}
            for one in stone.published
        ],
        "layout": [_entry_data(entry) for entry in stone.layout],
        "payloads": [
            {
                "kind": payload_word(payload.header.kind),
                "offset": payload.place.offset,
                "compression": payload.header.compression.name.lower(),
                "stored_bytes": payload.header.stored_size,
                "plain_bytes": payload.header.plain_size,
                "records": payload.header.records,
                "checksum": payload.header.checksum.hex(),
            }
            for payload in stone.payloads
        ],
        "attributes": {key: len(value) for key, value in sorted(stone.attributes.items())},
    }


def _entry_data(entry: Entry) -> dict[str, object]:
    return {
        "path": f"/usr/{entry.path}",
        "type": _TYPES[entry.kind],
        "mode": f"{entry.mode & 0o7777:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "digest": None if entry.digest is None else entry.digest.hex(),
        "link_target": entry.link_target,
        "xattrs": {name: value.hex() for name, value in attributes_in(entry.xattrs).items()},
    }
