"""The control member of a .deb: what the package says of itself.

    control                              fields, one paragraph (deb822)
    preinst postinst prerm postrm config maintainer scripts, never run here
    conffiles triggers md5sums           lists, one entry a line

Everything else in it (templates, shlibs, symbols) is passed over.
"""

from collections.abc import Mapping

from moss.debian.paragraph import Fields, parse_fields
from moss.foreign.tarstream import REGULAR, TarStream
from solver.values import field, value

SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config")
_WANTED = frozenset({"control", "conffiles", "triggers", "md5sums", *SCRIPTS})
_LONGEST_FILE = 8 << 20


@value
class Control:
    """What was found in the control member; scripts by their names."""

    fields: Fields
    scripts: Mapping[str, str] = field(default_factory=dict)
    conffiles: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    md5sums: bytes = b""
    """As it is in the package: `HEX  PATH` lines."""

    def md5_of_paths(self) -> dict[str, str]:
        lines = self.md5sums.decode("utf-8", "surrogateescape").splitlines()
        return {path.strip(): digest for digest, _, path in (line.partition(" ") for line in lines)}


def read_control(tar: TarStream, path: str) -> Control:
    """Read the whole member. CorruptData where it holds no readable `control`."""
    files: dict[str, bytes] = {}
    for entry in tar:
        name = entry.name.removeprefix(b"./").decode("ascii", "replace")
        if name not in _WANTED or entry.kind != REGULAR:
            continue
        if name in files:
            raise tar.fault(f"the control member holds '{name}' twice")
        if entry.size > _LONGEST_FILE:
            raise tar.fault(f"'{name}' in the control member takes {entry.size} bytes")
        files[name] = b"".join(tar.content())
    if "control" not in files:
        raise tar.fault("the control member holds no file 'control'")
    return Control(
        parse_fields(files["control"], f"{path}: control"),
        {name: files[name].decode("utf-8", "replace") for name in SCRIPTS if name in files},
        _lines(files.get("conffiles", b"")),
        _lines(files.get("triggers", b"")),
        files.get("md5sums", b""),
    )


def _lines(raw: bytes) -> tuple[str, ...]:
    lines = (line.strip() for line in raw.decode("utf-8", "replace").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
