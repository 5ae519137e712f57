"""What the tree of a generation says of it, out of the record, and back out of a tree where there is no record."""

import os
import stat
from collections.abc import Sequence

from moss.db import cuts, generations, packages
from moss.db.connection import Database
from moss.db.triggers import made_in
from moss.declared import Declared
from moss.description import Description, as_text, described
from moss.generation import PackageId
from moss.root import MODEL_FILE, GenerationId

_LARGEST = 64 << 20


def declared(record: Database, number: GenerationId, of: Sequence[PackageId] | None = None) -> Declared:
    """What stands at the top of a generation's tree; `of` is what the tree is made of, where the record has not
    come to that yet."""
    return Declared(number, as_text(description(record, number, of)))


def description(record: Database, number: GenerationId, of: Sequence[PackageId] | None = None) -> Description:
    made: dict[str, tuple[str, ...]] = {}
    ids = generations.package_ids_of(record, number) if of is None else of
    for package, trigger in made_in(record, ids).items():
        made[trigger] = tuple(sorted(entry.path for entry in packages.layout_of(record, package)))
    created_at, command = generations.origin_of(record, number)
    return Description(_text(record, number), created_at, command, cuts.omissions_of(record, number), made)


def _text(record: Database, number: GenerationId) -> str:
    text = generations.model_text_of(record, number)
    if text is not None:
        return text
    from moss.model_text import written  # what moss makes has its text already

    return written(generations.model_of(record, number), ())


def description_in(usr: str) -> Description:
    """What a tree says of its generation. ValueError and OSError where it says nothing that can be read."""
    path = os.path.join(usr, MODEL_FILE)
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is not a file")
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST >> 20} MiB")
    return described(content.decode())  # UnicodeDecodeError is a ValueError
