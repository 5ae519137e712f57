"""Lines of tmpfiles.d(5), as systemd-tmpfiles and moss's own applier read them.

    d /var/lib/misc - - - -                     a directory
    L /etc/os-release - - - - ../usr/lib/os-release
    C /etc/bash.bashrc - - - -                  a copy of /usr/share/factory/etc/bash.bashrc

Mode and owners are written as `-` where they are the usual ones: a line that names them would undo the
admin's own at every boot. What a `C` line copies brings its mode and owners from the factory.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_USUAL_DIRECTORY = (0o755, 0, 0)
_UNSAFE = re.compile(rb"[^A-Za-z0-9/._+,:;@=~^#!*?()\[\]{}-]")


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One line. `path` is absolute; `argument` is a link's text or a copy's source."""

    path: str
    type: str
    mode: str = "-"
    uid: str = "-"
    gid: str = "-"
    argument: str = ""

    def __str__(self) -> str:
        words = f"{self.type} {_escaped(self.path)} {self.mode} {self.uid} {self.gid} -"
        return f"{words} {_escaped(self.argument)}" if self.argument else words


def directory(path: str, permissions: int, uid: int = 0, gid: int = 0) -> Line:
    if (permissions, uid, gid) == _USUAL_DIRECTORY:
        return Line(path, "d")
    return Line(path, "d", f"{permissions:04o}", str(uid), str(gid))


def link(path: str, target: str) -> Line:
    return Line(path, "L", argument=target)


def copy(path: str, source: str = "") -> Line:
    """A copy of `source`, else of the file at the same path below /usr/share/factory."""
    return Line(path, "C", argument=source)


def as_file(lines: Iterable[Line], package: str) -> bytes:
    """The content of a tmpfiles.d file: sorted, each line once."""
    body = "".join(f"{line}\n" for line in sorted(set(lines)))
    return f"# Made by moss from the Debian package {package}: what belongs outside /usr.\n{body}".encode()


def _escaped(text: str) -> str:
    """Bytes that the format gives a meaning to as `\\xNN`, percent signs doubled."""
    return _UNSAFE.sub(_escape, text.encode()).decode()


def _escape(found: re.Match[bytes]) -> bytes:
    byte = found[0][0]
    return b"%%" if byte == ord("%") else b"\\x%02x" % byte
