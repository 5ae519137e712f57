"""Text for people: sizes, times, escaping, wrapping, tables. Every function returns text; none prints.

What packages say of themselves goes through `plain` before it reaches a terminal.
"""

from collections.abc import Iterable, Sequence

from solver.values import value

ELLIPSIS = "…"


@value
class Page:
    """What text is laid out for. `width` is None where lines may have any length: in files and pipes."""

    width: int | None = 80
    colour: bool = False
    verbose: bool = False
    directory: str | None = None
    """The system that commands must name; None: they go to it anyway."""

    def at(self, text: str) -> str:
        """Text that names commands, as they must be given here."""
        from moss.cli.remedies import at  # few answers name any

        return at(self.directory, text)

    @property
    def columns(self) -> int:
        """The width that running text is wrapped at."""
        return self.width or 80

    def bold(self, text: str) -> str:
        return self._painted("1", text)

    def dim(self, text: str) -> str:
        return self._painted("2", text)

    def red(self, text: str) -> str:
        return self._painted("1;31", text)

    def green(self, text: str) -> str:
        return self._painted("32", text)

    def yellow(self, text: str) -> str:
        return self._painted("33", text)

    def _painted(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text


# Beyond the C0 and C1 controls: what moves text about (bidirectional marks), breaks lines, or is
# half of a character (how Python holds bytes of a file name that are not UTF-8).
_UNPRINTABLE = [
    *range(0x20),
    *range(0x7F, 0xA0),
    0x061C,
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    0xFEFF,
]
_ESCAPES = {code: (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}") for code in _UNPRINTABLE}
_ESCAPES |= {ord("\n"): "\\n", ord("\t"): "\\t", ord("\r"): "\\r", 0x1B: "\\e"}


def plain(text: str) -> str:
    """The text with everything that could act on a terminal spelt out, on one line."""
    if text.isascii() and text.isprintable():
        return text
    escaped = text.translate(_ESCAPES)
    if escaped.isascii():
        return escaped
    return "".join(_without_surrogate(character) for character in escaped)


def paragraphs(text: str) -> list[str]:
    """The lines of a description, each made `plain`."""
    return [plain(line) for line in text.split("\n")]


def _without_surrogate(character: str) -> str:
    code = ord(character)
    if not 0xD800 <= code <= 0xDFFF:
        return character
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def width_of(text: str) -> int:
    """How many columns of a terminal the text takes. It must hold no escape sequences."""
    if text.isascii():
        return len(text)
    import unicodedata  # 1 MiB of tables that ASCII text never needs

    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    joined = sum(unicodedata.combining(character) != 0 for character in text)
    return len(text) + wide - joined


def shortened(text: str, width: int) -> str:
    """The text, cut to `width` columns with a sign that it was."""
    if width_of(text) <= width:
        return text
    kept = text[: max(width - 1, 0)]
    while kept and width_of(kept) > width - 1:
        kept = kept[:-1]
    return kept.rstrip() + ELLIPSIS


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` columns; a word that is longer has a line of its own."""
    return packed(text.split(), width, between=" ")


def packed(items: Iterable[str], width: int, *, between: str = ", ") -> list[str]:
    """Lines of items, none of them broken; each line but the last ends with the separator's sign."""
    lines: list[str] = []
    for item in items:
        if lines and width_of(lines[-1] + between + item) <= width:
            lines[-1] += between + item
        else:
            if lines:
                lines[-1] += between.rstrip()
            lines.append(item)
    return lines or [""]


def padded(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))


def size(count: int) -> str:
    """Bytes as people read them: `41.2 MiB`, three digits where there are that many."""
    amount = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if abs(amount) < 999.5:
            return _amount(amount, unit)
        amount /= 1024
    return _amount(amount, "TiB")


def _amount(amount: float, unit: str) -> str:
    digits = 1 if unit != "bytes" and abs(amount) < 99.95 else 0
    return f"{amount:.{digits}f} {unit}"


def size_change(count: int) -> str:
    """Bytes gained or lost: `+118 MiB`, `−3.0 KiB`, `±0`."""
    if count == 0:
        return "±0"
    return f"{'+' if count > 0 else '−'}{size(abs(count))}"


def duration(seconds: float) -> str:
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def moment(seconds: int) -> str:
    """A time since 1970 in the person's own time zone: `2026-09-02 14:03`."""
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def count(number: int, noun: str) -> str:
    """`1 package`, `3 packages`, `2 directories`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") and noun[-2:] not in ("ay", "ey") else f"{number} {noun}s"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], page: Page) -> str:
    """Columns as wide as they must be; the last is shortened to the page, an empty one left out.

    No rows give no text.
    """
    if not rows:
        return ""
    filled = [column for column in range(len(headings)) if any(row[column] for row in rows)]
    shown = [[row[column] for column in filled] for row in (headings, *rows)]
    widths = [max(width_of(row[column]) for row in shown) for column in range(len(filled))]
    first, *others = (_table_line(row, widths, page) for row in shown)
    lines = [page.bold(first), *others]
    return "\n".join(lines) + "\n"


def _table_line(cells: Sequence[str], widths: Sequence[int], page: Page) -> str:
    start = "".join(padded(cell, width + 2) for cell, width in zip(cells[:-1], widths, strict=False))
    last = cells[-1]
    if page.width is not None:
        last = shortened(last, max(page.width - width_of(start), 8))
    return (start + last).rstrip()


def labelled(pairs: Iterable[tuple[str, str]], page: Page) -> str:
    """`Label  text` with the texts in one column, wrapped; pairs without text are left out."""
    shown = [(label, text) for label, text in pairs if text]
    indent = max((width_of(label) for label, _ in shown), default=0) + 2
    lines = []
    for label, text in shown:
        first, *more = wrapped(text, max(page.columns - indent, 20))
        lines.append(page.bold(label) + " " * (indent - width_of(label)) + first)
        lines += (" " * indent + line for line in more)
    return "".join(line + "\n" for line in lines)
