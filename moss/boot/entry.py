"""Boot Loader Specification entries (type 1), as moss writes them and finds them again.

    $BOOT/loader/entries/debian-6.1.0-32-amd64-42+3.conf

        # made by moss for system 5f0c…; moss writes over what is changed here
        title      Debian GNU/Linux 12 (bookworm), generation 42 of 2026-11-25
        sort-key   debian
        version    42.6.1.0-32-amd64
        linux      /EFI/debian/<digest>/vmlinuz
        initrd     /EFI/debian/<digest>/initrd
        options    root=UUID=… moss.fstx=42

Boot loaders sort by `sort-key`, then by `version`, newest first. The generation that should boot has the
bare name of the system as its key, all others one that sorts behind it. `+3-1` in a file's name are tries
left and tries done; a boot loader counts there, so an entry is found by its name without them.
"""

import re

from moss.root import GenerationId
from solver.values import value

FSTX = "moss.fstx"
"""The word on the kernel's command line that names a generation, as upstream's initrds read it."""

TRIES = 3
"""How often a new generation is tried that does not say that it has come up."""

_MADE_BY = "# made by moss for system "
_FILE_NAME = re.compile(r"(?P<stem>[^+]+-(?P<generation>[1-9][0-9]*))(?P<tries>\+[0-9]+(?:-[0-9]+)?)?\.conf")
_UNSAFE = re.compile(r"[^A-Za-z0-9._~^-]")
_OTHERS = "-others"


@value
class BootEntry:
    """One entry: a generation with one of its kernels."""

    system: str
    """Which system it belongs to: its identity, 32 hexadecimal digits."""
    os_id: str
    """`ID` of os-release."""
    os_name: str
    """`PRETTY_NAME` of os-release."""
    generation: GenerationId
    day: str
    """When the generation was made: `2026-11-25`."""
    kernel: str
    """The kernel's version."""
    linux: str
    """Path of the kernel on $BOOT, with a leading slash."""
    initrds: tuple[str, ...]
    options: str
    is_first: bool
    """Whether it is the one to boot."""
    is_assessed: bool = False
    """Whether the generation says by itself that it has come up: it has systemd-bless-boot."""

    @property
    def stem(self) -> str:
        """The file's name without tries and `.conf`."""
        return f"{file_word(self.os_id)}-{file_word(self.kernel)}-{self.generation}"

    @property
    def new_file_name(self) -> str:
        """How the file is called that a boot loader has not seen yet."""
        return f"{self.stem}{f'+{TRIES}' if self.is_assessed else ''}.conf"

    @property
    def text(self) -> str:
        key = file_word(self.os_id) + ("" if self.is_first else _OTHERS)
        lines = [
            f"{_MADE_BY}{self.system}; moss writes over what is changed here",
            f"title      {_one_line(self.os_name)}, generation {self.generation} of {self.day}",
            f"sort-key   {key}",
            f"version    {self.generation}.{file_word(self.kernel)}",
            f"linux      {self.linux}",
            *(f"initrd     {initrd}" for initrd in self.initrds),
            f"options    {self.options}",
        ]
        return "".join(line + "\n" for line in lines)


@value
class FoundEntry:
    """An entry's file on $BOOT, whoever made it."""

    file_name: str
    text: str

    @property
    def stem(self) -> str | None:
        """Its name without tries; None where it is not named as moss names entries."""
        found = _FILE_NAME.fullmatch(self.file_name)
        return found["stem"] if found else None

    @property
    def generation(self) -> GenerationId | None:
        """The generation that its options name."""
        found = re.search(rf"^options\s(?:.*\s)?{re.escape(FSTX)}=([1-9][0-9]*)(?:\s|$)", self.text, re.MULTILINE)
        return GenerationId(int(found[1])) if found else None

    @property
    def tries(self) -> str:
        """`+3-1`: tries left and done; empty where nothing is counted."""
        found = _FILE_NAME.fullmatch(self.file_name)
        return (found["tries"] or "") if found else ""

    @property
    def tries_done(self) -> int:
        """How often it was tried, where that is counted."""
        found = re.fullmatch(r"\+[0-9]+-([0-9]+)", self.tries)
        return int(found[1]) if found else 0

    @property
    def is_spent(self) -> bool:
        """Whether it was tried as often as it may be, and did not come up."""
        return re.match(r"\+0+(-|$)", self.tries) is not None

    @property
    def is_first(self) -> bool:
        """Whether its sort key is that of the generation to boot."""
        found = re.search(r"^sort-key\s+(\S+)", self.text, re.MULTILINE)
        return found is not None and not found[1].endswith(_OTHERS)

    @property
    def paths(self) -> frozenset[str]:
        """What it needs of $BOOT, without leading slashes and in lower case, as FAT compares names."""
        said = re.findall(r"^(?:linux|initrd|efi|devicetree)\s+(\S+)", self.text, re.MULTILINE)
        return frozenset(path.lstrip("/").lower() for path in said)

    def is_made_for(self, system: str) -> bool:
        """Whether moss made it, for this system."""
        return self.text.startswith(f"{_MADE_BY}{system};")


def file_word(text: str) -> str:
    """The text as a part of a file's name; no `+` in it, behind which a boot loader counts tries."""
    return _UNSAFE.sub("_", text) or "_"


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
