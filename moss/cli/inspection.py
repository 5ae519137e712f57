"""inspect and extract: what a stone holds, without a system."""

from typing import Annotated

from moss.cli.files import opened_file
from moss.cli.parameters import Argument, Option
from moss.cli.session import Answer, Session
from moss.cli.stone_json import stone_data
from moss.cli.stone_text import checked_text, stone_text
from moss.cli.text import count, plain
from moss.operations.extract import extract as extract_into
from moss.stone import check_stone, open_stone


def inspect(
    session: Session,
    file: Annotated[str, Argument(metavar="FILE", help="A .stone, a stone.index or a manifest.")],
    check: Annotated[
        bool, Option("--check", help="Read every byte and verify it; exit with 7 where any is wrong.")
    ] = False,
) -> Answer:
    """With -v also every file in it, and every need."""
    with opened_file(file) as opened:
        if check:
            session.stage(f"checking {file}")
            for note in check_stone(opened, file):
                session.warning(note)
            opened.seek(0)
        stone = open_stone(opened, file)
    return Answer(
        lambda page: checked_text(stone) if check else stone_text(stone, page),
        lambda: stone_data(stone, checked=check),
    )


def extract(
    session: Session,
    file: Annotated[str, Argument(metavar="FILE", help="A .stone.")],
    output: Annotated[
        str,
        Option("--output", "-o", metavar="DIR", help="Where `usr` is made; it must not be there yet."),
    ] = ".",
) -> Answer:
    """The files come below DIR/usr, all of them or, where anything is wrong, none."""
    session.when_interrupted(lambda: "nothing was extracted")
    with opened_file(file) as opened:
        stone = open_stone(opened, file)
        session.stage(f"extracting {stone.metadata.label}")
        done = extract_into(stone, output)
    for note in done.notes:
        session.warning(note)
    return Answer(
        lambda _: (
            f"{plain(stone.metadata.label)} is in {plain(done.directory)}: {count(done.entries, 'path')}.\n"
        ),
        lambda: {
            "directory": done.directory,
            "entries": done.entries,
            "content_bytes": done.bytes_written,
            "owners_applied": done.owners_applied,
        },
    )
