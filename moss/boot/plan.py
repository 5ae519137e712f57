"""From what should be on $BOOT and what is there to what must be done. Nothing here looks at the world."""

import re
from collections.abc import Mapping, Sequence

from moss.boot.entry import BootEntry, FoundEntry
from moss.root import GenerationId
from solver.values import value

_OURS = re.compile(r"efi/[^/]+/[0-9a-f]{32}/[^/]+")
"""Paths that moss gives kernels and initrds."""
ASIDE = ".moss-new"
"""How files end that were written aside when something was interrupted."""


@value
class Found:
    """What is on $BOOT."""

    entries: tuple[FoundEntry, ...]
    files: Mapping[str, int]
    """Sizes in bytes, by path relative to $BOOT, of what stands where kernels and initrds do."""
    leftovers: tuple[str, ...] = ()
    """Files that an interrupted moss wrote aside."""
    free: int = 0
    """Bytes."""
    block: int = 4096
    """What a file's size is rounded up to, in bytes."""


@value
class BootPlan:
    """What to do, in this order: a crash between two steps leaves no entry without what it names."""

    leftovers: tuple[str, ...]
    delete_entries: tuple[str, ...]
    """File names in loader/entries."""
    delete_files: tuple[str, ...]
    """Paths relative to $BOOT."""
    write_files: tuple[str, ...]
    write_entries: tuple[tuple[str, str], ...]
    """File name and text."""
    needed: int
    """Bytes to be written, in whole blocks."""
    available: int
    """Bytes that will be free when writing begins."""

    @property
    def is_due(self) -> bool:
        return bool(
            self.leftovers or self.delete_entries or self.delete_files or self.write_files or self.write_entries
        )


def plan_boot(wanted: Sequence[BootEntry], sizes: Mapping[str, int], found: Found, system: str) -> BootPlan:
    """What brings $BOOT from `found` to `wanted`. `sizes`: bytes of each file the wanted entries name.

    An entry keeps the tries that were counted in its file's name. Where all of the first generation's are spent, they
    get them anew: the person wants it, whatever came of it. One kernel of it that does not come up stays spent: it runs
    with another. Files are deleted when no entry names them, whoever made it.
    """
    ours = {one.stem: one for one in found.entries if one.is_made_for(system) and one.stem is not None}
    stems = {entry.stem for entry in wanted}
    first = {entry.stem for entry in wanted if entry.is_first and entry.stem in ours}
    anew = first if all(ours[stem].is_spent for stem in first) else set()
    delete = [
        one for one in found.entries if one.is_made_for(system) and (one.stem not in stems or one.stem in anew)
    ]
    writing = []
    for entry in wanted:
        there = ours.get(entry.stem) if entry.stem not in anew else None
        if there is None or there.text != entry.text:
            writing.append((there.file_name if there else entry.new_file_name, entry.text))
    named = {path.lower() for path in sizes}
    for one in found.entries:
        if one not in delete and not (one.is_made_for(system) and one.stem in stems):
            named |= one.paths
    there_already = {path.lower(): size for path, size in found.files.items()}
    unneeded = [path for path in found.files if _OURS.fullmatch(path.lower()) and path.lower() not in named]
    missing = [path for path, size in sizes.items() if there_already.get(path.lower()) != size]
    freed = sum(_blocks(found.files[path], found.block) for path in unneeded)
    needed = sum(_blocks(sizes[path], found.block) + found.block for path in missing)
    needed += sum(_blocks(len(text.encode()), found.block) for _, text in writing)
    return BootPlan(
        tuple(sorted(found.leftovers)),
        tuple(sorted(one.file_name for one in delete)),
        tuple(sorted(unneeded)),
        tuple(sorted(missing)),
        tuple(sorted(writing)),
        needed,
        found.free + freed,
    )


def clashing(wanted: Sequence[BootEntry], found: Found, system: str) -> tuple[str, ...]:
    """File names of entries that others made and that moss would have to write over."""
    stems = {entry.stem for entry in wanted}
    return tuple(one.file_name for one in found.entries if one.stem in stems and not one.is_made_for(system))


def held_alone(wanted: Sequence[BootEntry], sizes: Mapping[str, int]) -> dict[GenerationId, int]:
    """How many bytes of $BOOT each generation holds that no other one needs."""
    users: dict[str, set[GenerationId]] = {}
    for entry in wanted:
        for path in (entry.linux, *entry.initrds):
            users.setdefault(path.lstrip("/"), set()).add(entry.generation)
    alone: dict[GenerationId, int] = {}
    for path, generations in users.items():
        if len(generations) == 1:
            (generation,) = generations
            alone[generation] = alone.get(generation, 0) + sizes[path]
    return alone


def _blocks(size: int, block: int) -> int:
    return -(-size // block) * block
