"""The kernel's command line, put together from fragments.

/etc/kernel/cmdline                 the whole base, where the admin wrote one; else the detected root
/usr/lib/kernel/cmdline.d/*.cmdline    the vendor's
/etc/kernel/cmdline.d/*.cmdline        the admin's: takes the place of the vendor's file of that name,
                                       and a link to /dev/null takes it away
/usr/lib/kernel/<version>/*.cmdline    one kernel's own
"""

from collections.abc import Mapping

from moss.boot.entry import FSTX
from moss.root import GenerationId


def command_line(
    base: str,
    vendor: Mapping[str, str],
    admin: Mapping[str, str | None],
    own: Mapping[str, str],
    generation: GenerationId,
) -> str:
    """All in one line; fragments by file name, an admin's None masks. What names a generation comes last."""
    fragments = {**vendor, **admin}
    texts = [base, *(fragments[name] or "" for name in sorted(fragments)), *(own[name] for name in sorted(own))]
    words = [word for text in texts for line in text.splitlines() for word in _words(line)]
    words = [word for word in words if not word.startswith(f"{FSTX}=")]
    return " ".join([*words, f"{FSTX}={generation}"])


def _words(line: str) -> list[str]:
    """The words of a line, `#` beginning a comment; quotes keep blanks within a word, as for the kernel."""
    if line.lstrip().startswith("#"):
        return []
    words: list[str] = []
    word, quoted = "", False
    for letter in line:
        if letter == '"':
            quoted = not quoted
        if letter.isspace() and not quoted:
            words.append(word)
            word = ""
        elif letter.isprintable():
            word += letter
    return [word for word in [*words, word] if word]
