"""Packages of another architecture beside those of the machine's own, as Debian's Multi-Arch has them: *companions*.

    libgl1 of i386, on amd64       its name is libgl1:i386
    needs libc6                    libc6:i386, or a libc6 of the machine's that serves every architecture
    needs python3:any              python3 of the machine
    provides libgl1-api            libgl1-api:i386
    conflicts with x, breaks, replaces it       x:i386, and x of the machine
    and its namesake               of the same version where it is `Multi-Arch: same`, else not at all

*Serves every architecture* is what Debian calls `Multi-Arch: foreign`. A companion that does is for the machine's own
packages too: `steam-libs-i386:i386` provides `steam-libs-i386`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moss.architecture import stone_architecture
from solver.model import ANY_ARCH

if TYPE_CHECKING:
    from moss.debian.paragraph import Fields

_HOSTS = {"i386": "amd64", "armhf": "arm64"}
"""Debian's words: whose processors run it too."""
MARK = ":"


def host_of(architecture: str) -> str | None:
    """The architecture, in Debian's words both, whose machines run this one's programs too."""
    return _HOSTS.get(architecture)


def guests_of(architecture: str) -> tuple[str, ...]:
    """The architectures whose programs machines of this one run too, in Debian's words."""
    return tuple(guest for guest, host in _HOSTS.items() if host == architecture)


def companions_name(name: str, architecture: str) -> str:
    """What a package of that architecture is called where it is a companion."""
    return f"{name}{MARK}{architecture}"


def as_companion(fields: Fields) -> Fields:
    """A control paragraph as a companion's."""
    from moss.debian.paragraph import Fields  # only where paragraphs are read; names are asked about everywhere

    name = companions_name(fields["Package"].strip(), fields["Architecture"].strip())
    return Fields({**fields, "package": name})


def is_companion(name: str) -> bool:
    """Whether a package that is called so is a companion; Debian's own names have no colon."""
    return MARK in name


def named(name: str, qualifier: str | None, own: str, companion: bool) -> tuple[str, str | None]:
    """What `name` or `name:qualifier` comes to in a package of the architecture `own` (Debian's words): a name, and an
    architecture that limits it (moss's word)."""
    if qualifier in ANY_ARCH:
        return name, qualifier
    if companion and qualifier == _HOSTS.get(own):
        return name, None
    if qualifier is None or qualifier == own:
        return (companions_name(name, own) if companion else name), None
    if qualifier in _HOSTS:
        return companions_name(name, qualifier), None
    return name, stone_architecture(qualifier)
