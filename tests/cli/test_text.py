"""Text for people: escaped, measured, wrapped."""

import pytest

from moss.cli.text import (
    Page,
    count,
    duration,
    labelled,
    packed,
    plain,
    shortened,
    size,
    size_change,
    table,
    width_of,
    wrapped,
)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain text, and Ünïcödé ✓", "plain text, and Ünïcödé ✓"),
        ("\x1b[31mred\x1b[0m", "\\e[31mred\\e[0m"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("bell\x07 delete\x7f", "bell\\x07 delete\\x7f"),
        ("c1\x9b31m", "c1\\x9b31m"),
        ("turned \u202egnp.exe", "turned \\u202egnp.exe"),
        ("isolated \u2066x\u2069", "isolated \\u2066x\\u2069"),
        ("line\u2028end", "line\\u2028end"),
        ("not utf-8: \udcff", "not utf-8: \\xff"),
        ("half: \ud800", "half: \\ud800"),
    ],
)
def test_what_could_act_on_a_terminal_is_spelt_out(given: str, shown: str) -> None:
    assert plain(given) == shown


@pytest.mark.parametrize(
    ("bytes_", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 KiB"),
        (1024, "1.0 KiB"),
        (43_200_000, "41.2 MiB"),
        (104_857_600, "100 MiB"),
        (1_047_527_424, "999 MiB"),
        (1_048_051_712, "1.0 GiB"),
        (22_978_000_000, "21.4 GiB"),
        (5 << 40, "5.0 TiB"),
    ],
)
def test_sizes_have_three_digits_at_most(bytes_: int, text: str) -> None:
    assert size(bytes_) == text


def test_a_change_of_size_has_its_sign() -> None:
    assert [size_change(number) for number in (2048, -2048, 0)] == ["+2.0 KiB", "−2.0 KiB", "±0"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0004, "0 ms"),
        (0.024, "24 ms"),
        (0.9994, "999 ms"),
        (2.13, "2.1 s"),
        (59.96, "1 min 0 s"),
        (125, "2 min 5 s"),
    ],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_nouns_follow_their_number() -> None:
    assert [count(number, noun) for number, noun in ((1, "file"), (0, "file"), (2, "directory"))] == [
        "1 file",
        "0 files",
        "2 directories",
    ]


def test_width_counts_columns_not_characters() -> None:
    assert [width_of(text) for text in ("abc", "né", "e\u0301", "日本")] == [3, 2, 1, 4]


def test_text_is_shortened_to_columns() -> None:
    assert shortened("a long summary", 8) == "a long…"
    assert shortened("日本日本", 5) == "日本…"
    assert shortened("short", 5) == "short"


def test_words_longer_than_the_line_stand_alone() -> None:
    assert wrapped("a soname(libglib-2.0.so.0(x86_64)) b", 10) == [
        "a",
        "soname(libglib-2.0.so.0(x86_64))",
        "b",
    ]


def test_items_are_not_broken() -> None:
    assert packed(["libgsl 2.8-4", "potrace 1.16-3", "x 1"], 30) == ["libgsl 2.8-4, potrace 1.16-3,", "x 1"]


def test_a_table_fits_the_page_and_drops_empty_columns() -> None:
    rows = [("nano", "", "GNU Text Editor"), ("pineapple", "", "Delicious slices of pineapples")]
    assert table(("Package", "Mark", "Summary"), rows, Page(30)) == (
        "Package    Summary\n"
        "nano       GNU Text Editor\n"
        "pineapple  Delicious slices o…\n"
    )  # fmt: skip


def test_a_table_in_a_pipe_is_never_cut() -> None:
    assert "x" * 300 in table(("A", "B"), [("a", "x" * 300)], Page(None))


def test_labels_align_and_texts_wrap() -> None:
    assert labelled((("A", "one two three"), ("Longer", "x"), ("None", "")), Page(28)) == (
        "A       one two three\n"
        "Longer  x\n"
    )  # fmt: skip


def test_colour_is_nothing_but_paint() -> None:
    assert Page(80, colour=False).red("x") == "x"
    assert Page(80, colour=True).red("x") == "\x1b[1;31mx\x1b[0m"
    assert Page(80, colour=True).red("") == ""
