"""image tar, oci and disk: a generation as something that others run."""

import os
import re
import shlex
import tempfile
from collections.abc import Callable
from typing import Annotated

from moss.cli.changing import opened
from moss.cli.files import output_file
from moss.cli.parameters import Argument, Option
from moss.cli.session import Answer, Session
from moss.cli.streams import standard_error, write
from moss.cli.text import plain, size
from moss.errors import UsageError
from moss.generation import Generation
from moss.operations.imaging import find_generation, write_disk_image, write_oci_image, write_tar_image
from moss.operations.system import System
from moss.root import GenerationId

_Generation = Annotated[
    int | None,
    Argument(metavar="[GENERATION]", min=1, help="A number that `state list` shows; else the active one."),
]
_SIZE = re.compile(r"(\d+)([MGT])", re.IGNORECASE)
_UNITS = {"M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def image_tar(
    session: Session,
    output: Annotated[str, Option("--output", "-o", metavar="FILE", help="Where it goes; '-' is standard output.")],
    generation: _Generation = None,
) -> Answer:
    """The tree, the links into it, and /etc and /var as they begin. The same generation gives the same bytes,
    apart from what triggers of the system write."""
    with opened(session, "image", "tar", *_said(generation)) as system:
        found = _found(system, generation)
        if session.settings.dry_run:
            return _dry(found)
        with output_file(output, as_json=session.settings.json) as (target, _):
            written = write_tar_image(system, found, target, made_at=_made_at(found))
    return _told(
        output, f"generation {found.id}, {size(written)} in its files", lambda: _data(found, output, bytes=written)
    )


def image_oci(
    session: Session,
    output: Annotated[str, Option("--output", "-o", metavar="FILE", help="An archive of the layout; '-' is stdout.")],
    generation: _Generation = None,
    name: Annotated[str, Option("--name", metavar="NAME", help="The reference's name in it.")] = "latest",
    command: Annotated[str, Option("--command", metavar="TEXT", help="What a container runs.")] = "/bin/sh",
) -> Answer:
    """An image layout with one layer, in a tar archive: podman load -i FILE, or skopeo copy oci-archive:FILE …"""
    with opened(session, "image", "oci", *_said(generation)) as system:
        found = _found(system, generation)
        if session.settings.dry_run:
            return _dry(found)
        with output_file(output, as_json=session.settings.json) as (target, directory), tempfile.TemporaryFile(
            dir=directory
        ) as spool:
            words = tuple(shlex.split(command))
            digest = write_oci_image(system, found, target, spool, name, words, made_at=_made_at(found))
    return _told(
        output, f"generation {found.id}, sha256:{digest}", lambda: _data(found, output, digest=f"sha256:{digest}")
    )


def image_disk(
    session: Session,
    output: Annotated[str, Option("--output", "-o", metavar="FILE", help="A new file for the disk.")],
    generation: _Generation = None,
    disk_size: Annotated[
        str | None, Option("--size", metavar="SIZE", help="Of the whole disk: 4G, 900M; else what it takes.")
    ] = None,
    words: Annotated[str, Option("--cmdline", metavar="WORDS", help="More for the kernel's command line.")] = "",
) -> Answer:
    """A system of its own: the generation is its first one, it knows the repositories and keys of this one, and
    its boot menu is on an EFI system partition. The initrd is the generation's own; /etc begins as packages have it,
    with what is in /etc/moss here."""
    with opened(session, "image", "disk", *_said(generation)) as system:
        found = _found(system, generation)
        if session.settings.dry_run:
            return _dry(found)
        made = write_disk_image(system, found, output, size=_bytes(disk_size), words=words)
    text = f"{plain(output)}: generation {made.generation}, a disk of {size(made.size)}.\n"
    return Answer(lambda _: text, lambda: _data(found, output, bytes=made.size, entries=list(made.kernels)))


def _said(generation: int | None) -> list[str]:
    return [] if generation is None else [str(generation)]


def _found(system: System, generation: int | None) -> Generation:
    return find_generation(system, None if generation is None else GenerationId(generation))


def _made_at(found: Generation) -> int:
    """The one time of an archive: the generation's, or what builds that must be reproducible say for all they make."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return found.created_at
    if not text.isdecimal():
        raise UsageError(
            f"SOURCE_DATE_EPOCH is {text!r}, seconds since 1970 are wanted", remedies=["unset SOURCE_DATE_EPOCH"]
        )
    return int(text)


def _dry(found: Generation) -> Answer:
    return Answer(lambda _: f"An image of generation {found.id}. Dry run: nothing was written.\n", lambda: None)


def _data(found: Generation, output: str, **more: object) -> dict[str, object]:
    return {"generation": found.id, "file": output, **more}


def _told(output: str, text: str, data: Callable[[], object]) -> Answer:
    """On standard error when standard output holds the image itself."""
    if output != "-":
        return Answer(lambda _: f"{plain(output)}: {text}.\n", data)
    write(standard_error(), f"{text}.\n")
    return Answer(lambda _: "", data)


def _bytes(text: str | None) -> int | None:
    if text is None:
        return None
    found = _SIZE.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no size", remedies=["--size 4G", "--size 900M"])
    return int(found[1]) * _UNITS[found[2].upper()]
