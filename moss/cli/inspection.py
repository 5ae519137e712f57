"""inspect and extract: what a stone holds, without a system."""

from typing import Annotated

import typer

from moss.cli.files import opened_file
from moss.cli.session import Answer, Session
from moss.cli.stone_text import checked_text, stone_data, stone_text
from moss.cli.text import count, plain
from moss.operations import extract as extracting
from moss.stone import Stone, Strictness, open_stone


def inspect(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A .stone, a stone.index or a manifest.")],
    check: Annotated[
        bool, typer.Option("--check", help="Read every byte and verify it; exit with 7 where any is wrong.")
    ] = False,
) -> Answer:
    """With -v also every file in it, and every need."""
    with opened_file(file) as opened:
        stone = open_stone(opened, file, strictness=Strictness.CHECK if check else Strictness.INSTALL)
        if check:
            _check(session, stone)
    return Answer(
        lambda page: checked_text(stone) if check else stone_text(stone, page),
        lambda: stone_data(stone) | {"checked": check},
    )


def extract(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A .stone.")],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="DIR", help="Where `usr` is made; it must not be there yet."),
    ] = ".",
) -> Answer:
    """The files come below DIR/usr, all of them or, where anything is wrong, none."""
    with opened_file(file) as opened:
        done = extracting.extract(opened, file, output, session)
    for note in done.notes:
        session.warning(note)
    return Answer(
        lambda _: (
            f"{plain(done.stone.metadata.label)} is in {plain(done.usr)}: {count(done.entries, 'path')}.\n"
        ),
        lambda: {
            "directory": done.usr,
            "entries": done.entries,
            "content_bytes": done.stone.content_size,
            "notes": list(done.notes),
        },
    )


def _check(session: Session, stone: Stone) -> None:
    """Take every content to its end: that is what verifies it."""
    session.stage(f"checking {stone.name}")
    done = 0
    for content in stone.contents():
        for _ in content.chunks():
            pass
        done += content.size
        session.progress(done, stone.content_size, "bytes")
