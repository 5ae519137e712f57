"""Lines of tmpfiles.d(5), as systemd-tmpfiles and moss's own applier read them.

    d /var/lib/misc - - - -                     a directory
    L /etc/os-release - - - - ../usr/lib/os-release
    C /etc/bash.bashrc - - - -                  a copy of /usr/share/factory/etc/bash.bashrc
    C "/etc/a b" - - - -

Mode and owners are written as `-` where they are the usual ones: a line that names them would undo the
admin's own at every boot. What a `C` line copies brings its mode and owners from the factory.
"""

import re
from collections.abc import Iterable

from solver.values import ordered_value

_USUAL_DIRECTORY = (0o755, 0, 0)
_PLAIN = re.compile(r"[^\s\"'\\%]+")


@ordered_value
class Line:
    """One line. `path` is absolute; `argument` is a link's text or a copy's source."""

    path: str
    type: str
    mode: str = "-"
    uid: str = "-"
    gid: str = "-"
    argument: str = ""

    def __str__(self) -> str:
        words = f"{self.type} {_word(self.path)} {self.mode} {self.uid} {self.gid} -"
        return f"{words} {_rest(self.argument)}" if self.argument else words


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


def _word(text: str) -> str:
    """In quotes where it must be: there systemd 252 knows a backslash before a sign, but no `\\x20`."""
    if _PLAIN.fullmatch(text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{quoted}"'


def _rest(text: str) -> str:
    """The end of a line is taken as it stands but for escapes, specifiers, and blanks at its ends."""
    escaped = text.replace("\\", "\\\\").replace("%", "%%")
    if escaped == "-":  # alone it means: nothing
        return "\\x2d"
    if escaped.startswith(" "):
        escaped = "\\x20" + escaped[1:]
    return escaped[:-1] + "\\x20" if escaped.endswith(" ") else escaped
