"""Where an apt repository is and what of it is wanted, as one URI.

    apt+file:///mnt/mirror?suite=bookworm&component=main&component=contrib&arch=amd64

What is left out means: every suite of apt's lists (a mirror must have exactly one), every component,
the machine's own architecture.
"""

import os
import re

from moss.architecture import native_architecture, stone_architecture
from moss.debian.companion import guests_of, host_of
from moss.errors import UsageError
from solver.values import value

PREFIX = "apt+"
_TRANSPORTS = ("file", "http", "https")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.~_-]*(/[A-Za-z0-9][A-Za-z0-9+.~_-]*)*")
_NATIVE = {"x86_64": "amd64", "aarch64": "arm64", "386": "i386", "riscv": "riscv64"}


@value
class AptSource:
    """An apt repository. `architecture` is Debian's word (`amd64`)."""

    transport: str
    place: str
    """A directory, or for a network transport everything after its colon."""
    suites: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    architecture: str = ""

    @classmethod
    def parse(cls, text: str) -> "AptSource":
        """Read `apt+file:DIR`, `apt+https://…`, or what `str` printed. UsageError says what is wrong."""
        from urllib.parse import parse_qsl, unquote, urlsplit  # 2 ms; most commands parse no URI

        parts = urlsplit(text.removeprefix(PREFIX))
        if not text.startswith(PREFIX) or parts.scheme not in _TRANSPORTS:
            raise UsageError(
                f"{text} names no apt repository", remedies=["write apt+file:DIR or apt+https://HOST/PATH"]
            )
        asked: dict[str, list[str]] = {"suite": [], "component": [], "arch": []}
        for name, said in parse_qsl(parts.query, keep_blank_values=True):
            if name not in asked or not _WORD.fullmatch(said):
                raise UsageError(
                    f"{text}: {name}={said} says nothing about an apt repository",
                    remedies=["use ?suite=NAME&component=NAME&arch=NAME"],
                )
            asked[name].append(said)
        if len(asked["arch"]) > 1:
            raise UsageError(f"{text} names several architectures", remedies=["add one repository for each"])
        place = f"//{parts.netloc}{parts.path}"
        if parts.scheme == "file":
            place = os.path.abspath(unquote(parts.path)) if parts.path else ""
        if place in ("", "//"):
            raise UsageError(f"{text} names no place", remedies=["write apt+file:DIR or apt+https://HOST/PATH"])
        return cls(
            parts.scheme, place, tuple(asked["suite"]), tuple(asked["component"]), "".join(asked["arch"])
        )

    def narrowed(self, suites: tuple[str, ...], components: tuple[str, ...], architecture: str) -> "AptSource":
        """With what was asked for beside the URI. UsageError for names that cannot be one."""
        for word in (*suites, *components, *((architecture,) if architecture else ())):
            if not _WORD.fullmatch(word) or ".." in word:
                raise UsageError(f"{word!r} names no suite, component or architecture", remedies=["look into dists/"])
        return AptSource(
            self.transport,
            self.place,
            suites or self.suites,
            components or self.components,
            architecture or self.architecture,
        )

    def __str__(self) -> str:
        from urllib.parse import quote, urlencode

        asked = [("suite", one) for one in self.suites] + [("component", one) for one in self.components]
        asked += [("arch", self.architecture)] if self.architecture else []
        place = f"//{quote(self.place)}" if self.transport == "file" else self.place
        return f"{PREFIX}{self.transport}:{place}" + (f"?{urlencode(asked)}" if asked else "")

    @property
    def wanted_architecture(self) -> str:
        """Debian's word for the architecture whose index is read; `all` comes with it."""
        return self.architecture or debian_architecture(native_architecture())

    def is_beside(self, machine: str) -> bool:
        """Whether its packages are for another architecture that a machine of this one (in moss's word) runs too."""
        return host_of(self.wanted_architecture) == debian_architecture(machine)

    def said_to_add(self, architecture: str) -> list[str]:
        """The words by which `repo add` takes the same place for another architecture."""
        place = f"//{self.place}" if self.transport == "file" else self.place
        words = [f"{PREFIX}{self.transport}:{place}"]
        for option, said in (("--suite", self.suites), ("--component", self.components), ("--arch", (architecture,))):
            words += [word for one in said for word in (option, one)]
        return words


def debian_architecture(architecture: str) -> str:
    """Debian's word for one of moss's."""
    return _NATIVE.get(architecture, architecture)


def run_beside(machine: str) -> tuple[str, ...]:
    """The architectures that a machine of this one runs too, in moss's words."""
    return tuple(map(stone_architecture, guests_of(debian_architecture(machine))))


def asked_architectures(uris: list[str]) -> tuple[str, ...]:
    """Which architectures, in moss's words, these repositories were added for beside the machine's own."""
    asked = [AptSource.parse(uri).architecture for uri in uris if uri.startswith(PREFIX) and "arch=" in uri]
    return tuple(dict.fromkeys(stone_architecture(one) for one in asked if one))
