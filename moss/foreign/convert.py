"""One .deb becomes one stone, without running anything of it."""

import os
from typing import BinaryIO

from moss.capability import Capability
from moss.debian.companion import as_companion, is_companion
from moss.debian.relations import metadata_of
from moss.digest import PackageDigest
from moss.effects import as_moss_error
from moss.errors import NotFound, UsageError
from moss.foreign import tmpfiles
from moss.foreign.archive import Archive, enter_debian_archive, enter_member, leave_archive
from moss.foreign.compression import has_own_check, plain_pieces
from moss.foreign.control import Control, read_control
from moss.foreign.cooking import cook
from moss.foreign.files import Limits, Shipped, read_files
from moss.foreign.notices import Notice, NoticeKind, Notices, damaged
from moss.foreign.placing import Placed, place
from moss.foreign.scripts import note_scripts
from moss.foreign.tarstream import TarStream
from moss.layout import EntryKind, regular
from moss.package import Metadata
from moss.scan import scan
from moss.stone.spool import ContentSpool
from moss.stone.writer import DEFAULT_LEVEL, write_stone_file
from solver.model import Provide
from solver.values import replace, value

SCANNED_NEEDS = "moss.scanned-needs/1"
"""Attribute: what the files need, by scanning, one capability a line. Recorded, not required."""


@value
class Converted:
    """A stone that was written, and what of its .deb is not in it."""

    deb: str
    stone: str
    """Path."""
    metadata: Metadata
    digest: PackageDigest
    size: int
    """Bytes of the stone."""
    warnings: tuple[Notice, ...] = ()


def convert(
    deb: str,
    out_dir: str,
    *,
    level: int = DEFAULT_LEVEL,
    limits: Limits | None = None,
    durable: bool = False,
    companion: bool = False,
) -> Converted:
    """Write `out_dir/NAME-VERSION-1-1-ARCH.stone` from a .deb: the same file always gives the same stone.

    `level` is zstd's. `companion`: to be beside packages of the machine's own architecture (`moss.debian.companion`).
    CorruptData where the file is not a sound package; then, as after every other error, nothing of it is in `out_dir`.
    """
    notices = Notices()
    with as_moss_error(f"make the directory {out_dir}"):
        os.makedirs(out_dir, exist_ok=True)
    with as_moss_error(f"convert {deb}"), ContentSpool(out_dir) as spool:
        control, shipped, digest = _read(deb, spool, notices, limits or Limits())
        fields = as_companion(control.fields) if companion else control.fields
        metadata = metadata_of(fields, f"{deb}: control", f"sha256:{digest}")
        if not companion and is_companion(metadata.name):
            raise damaged(deb, f"the field 'Package' of its control file is {metadata.name!r}, which cannot be one")
        placed = place(shipped, deb)
        cook(metadata.name, placed, spool, notices)
        _note_conffiles(control, shipped, notices)
        note_scripts(control, notices)
        _bring_out(placed, metadata.name, spool, deb)
        layout = placed.layout()
        scanned = scan(layout, spool.open)
        needs = "".join(f"{need.full_text}\n" for need in scanned.depends)
        metadata = _with_scanned(metadata, scanned.provides)
        stone = os.path.join(out_dir, metadata.file_name)
        stone_digest = write_stone_file(
            stone,
            metadata,
            layout,
            spool,
            level=level,
            attributes={SCANNED_NEEDS: needs.encode()} if needs else None,
            durable=durable,
        )
    return Converted(deb, stone, metadata, stone_digest, os.stat(stone).st_size, notices.all())


def _read(
    deb: str, spool: ContentSpool, notices: Notices, limits: Limits
) -> tuple[Control, dict[str, Shipped], str]:
    """The package's statement, its paths, and the SHA-256 of the file, in one pass over it."""
    with _opened(deb) as file:
        size = os.fstat(file.fileno()).st_size
        archive = Archive(file, deb)
        enter_debian_archive(archive)
        member = enter_member(archive, "control.tar")
        control = read_control(TarStream(plain_pieces(archive, member), member.name, archive.fault), deb)
        member = enter_member(archive, "data.tar")
        tar = TarStream(plain_pieces(archive, member), member.name, archive.fault)
        md5 = {} if has_own_check(member) else control.md5_of_paths()
        shipped = read_files(tar, spool, notices, limits.of(size), md5)
        return control, shipped, leave_archive(archive)


def _opened(deb: str) -> BinaryIO:
    try:
        return open(deb, "rb")
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {deb}", remedies=["check the name"]) from error
    except IsADirectoryError as error:
        raise UsageError(f"{deb} is a directory", remedies=["give .deb files"]) from error


def _bring_out(placed: Placed, package: str, spool: ContentSpool, deb: str) -> None:
    """Add the package's tmpfiles.d file, when there is anything outside /usr."""
    if not placed.lines:
        return
    path = f"lib/tmpfiles.d/moss-{package}.conf"
    if path in placed.entries:
        raise damaged(deb, f"the package has a file /usr/{path}, a name that moss keeps for itself")
    content = tmpfiles.as_file(placed.lines, package)
    placed.entries[path] = regular(path, spool.add(content)[0])


def _with_scanned(metadata: Metadata, found: tuple[Capability, ...]) -> Metadata:
    """Provided capabilities that scanning found, beside what the control file says."""
    assert metadata.rich_relations is not None
    relations = metadata.rich_relations
    added = tuple(Provide(str(capability)) for capability in found)
    return replace(
        metadata,
        provides=tuple(sorted({*metadata.provides, *found}, key=lambda capability: capability.full_text)),
        rich_relations=replace(relations, provides=relations.provides + added),
    )


def _note_conffiles(control: Control, shipped: dict[str, Shipped], notices: Notices) -> None:
    """Configuration outside /etc and /var is replaced with /usr; that is worth saying."""
    for line in control.conffiles:
        path = line.rsplit(" ", 1)[-1].lstrip("/")
        one = shipped.get(path)
        if one is not None and one.kind is EntryKind.REGULAR and not path.startswith(("etc/", "var/")):
            notices.path(NoticeKind.CONFFILE, path)
