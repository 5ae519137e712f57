"""Files of this machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from moss.effects import as_moss_error
from moss.fetch.manners import Manners
from moss.fetch.transport import NoSuchRange, Response, Status, Validators
from moss.fetch.verify import open_uri

_PIECE = 1 << 20


class LocalFiles:
    """`file:` URIs. Nothing is ever called unchanged: reading is as quick as looking."""

    def __init__(self, manners: Manners) -> None:
        self.manners = manners
        self.is_offline = True

    @contextmanager
    def open(self, uri: str, *, offset: int = 0, known: Validators | None = None) -> Iterator[Response]:  # noqa: ARG002
        with as_moss_error(f"read {uri}"), open_uri(uri) as file:
            length = os.fstat(file.fileno()).st_size
            if offset > length:
                raise NoSuchRange(f"{uri} has {length} bytes, and none at {offset}")
            file.seek(offset)
            status = Status.PART if offset else Status.WHOLE
            yield Response(status, uri, length, Validators(), _pieces(file))

    def interrupt(self) -> None:
        pass


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
