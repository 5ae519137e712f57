"""tmpfiles.d and sysusers.d lines become values, or are refused with a remedy."""

from pathlib import Path

import pytest

from moss.local.sysusers import GroupLine, MemberLine, RangeLine, UserLine, parse_sysusers_line
from moss.local.tmpfiles import Action, TmpfilesLine, parse_tmpfiles_line
from moss.local.view import RootView, configuration_lines, specifiers_of
from moss.local.words import BadLine, Line, Notice, PassedOver, Specifiers, split_words, unescape

SPECIFIERS = Specifiers("0123456789abcdef", {"ID": "moss", "VERSION_ID": "7"})


def line(text: str) -> Line:
    return Line("usr/lib/tmpfiles.d/a.conf", 3, text)


def tmpfiles(text: str, **others: object) -> TmpfilesLine:
    """The value of a line whose fields other than these are the defaults."""
    return TmpfilesLine(line(text), **others)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("d /a", {"action": Action.DIRECTORY, "path": "a"}),
        ("d /a - - - - -", {"action": Action.DIRECTORY, "path": "a"}),
        ("D /a 1777 root root 10d", {"mode": 0o1777, "user": "root", "group": "root"}),
        ("v /a 0755", {"action": Action.DIRECTORY, "mode": 0o755}),
        ("q /a 0755", {"action": Action.DIRECTORY, "mode": 0o755}),
        ("Q /a 0755", {"action": Action.DIRECTORY, "mode": 0o755}),
        ("d= /a 0755", {"action": Action.DIRECTORY, "mode": 0o755}),
        ("d- /root :0700 root :root", {"mode": 0o700, "user": "root", "group": "root", "initial": True}),
        ("d /a - :7", {"user": "7", "initial": True}),
        ("z /a ~0750", {"action": Action.ADJUST, "mode": 0o750, "masked": True}),
        ("z /a ~:0750", {"action": Action.ADJUST, "mode": 0o750, "masked": True, "initial": True}),
        ("m /a 0750", {"action": Action.ADJUST, "mode": 0o750}),
        ("Z /a - u g", {"action": Action.ADJUST_BELOW, "user": "u", "group": "g"}),
        ("e /a 0700", {"action": Action.ADJUST_DIRECTORY, "mode": 0o700}),
        ("f /a", {"action": Action.FILE, "content": b""}),
        ("f /a - - - - -", {"action": Action.FILE, "content": b""}),
        (r"f /a - - - - one\ntwo\x21 %o", {"action": Action.FILE, "content": b"one\ntwo! moss"}),
        ('f /a - - - - "quotes are content"', {"content": b'"quotes are content"'}),
        (r"f /a - - - - \303\244", {"content": "ä".encode()}),
        ("F /a 0600", {"action": Action.FILE, "mode": 0o600, "content": b""}),
        ("f+ /a - - - - x", {"action": Action.FILE, "content": b"x"}),
        ("f~ /a - - - - aGVsbG8=", {"action": Action.FILE, "content": b"hello"}),
        ("L /a - - - - ../b", {"action": Action.LINK, "argument": "../b"}),
        ("L+ /a", {"action": Action.LINK, "argument": None}),
        ("L? /a - - - - /b", {"action": Action.LINK, "only_if_source": True}),
        ("C /a - - - - /usr/share/%w", {"action": Action.COPY, "argument": "/usr/share/7"}),
        ("C+ /a", {"action": Action.COPY}),
        ("d '/with space'", {"path": "with space"}),
        ('d "/with \\"quote"', {"path": 'with "quote'}),
        (r"d /with\x20space", {"path": "with space"}),
        ("d //a//b/./c/", {"path": "a/b/c"}),
        ("d /100%%", {"path": "100%"}),
        ("d %S/x", {"path": "var/lib/x"}),
        ("d %C/x%%%L", {"path": "var/cache/x%/var/log"}),
        ("d /var/log/journal/%m", {"path": "var/log/journal/0123456789abcdef"}),
    ],
)
def test_a_tmpfiles_line_means(text, expected):
    parsed = parse_tmpfiles_line(line(text), SPECIFIERS)
    assert {name: getattr(parsed, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("d", "at least a type and a path"),
        ("? /a", "type '\\?' is unknown"),
        ("dd /a", "type 'dd' is unknown"),
        ("d? /a", "goes with L only"),
        ("d relative", "not absolute"),
        ("d /a/../b", "'\\.\\.'"),
        ("d /a%n", "specifier '%n' is unknown"),
        ("d /a%", "specifier '%' is unknown"),
        ("d /a 0999", "mode '0999'"),
        ("d /a 77777", "greater than 7777"),
        ("d /a rwx", "mode 'rwx'"),
        ("d /a ~", "mode '~'"),
        ("d '/never closed", "never closed"),
        (r"d /a\q", "means nothing"),
        (r"d /a\x0", "means nothing"),
        (r"d /a\000", "means nothing"),
        (r"d /a\xff", "not UTF-8"),
        (r"d /a\x07", "control character"),
        ("f~ /a - - - - &&&", "base64"),
        ("d /" + "x" * 256, "longer than 255"),
    ],
)
def test_a_bad_tmpfiles_line_is_refused_with_a_remedy(text, complaint):
    with pytest.raises(BadLine, match=complaint) as caught:
        parse_tmpfiles_line(line(text), SPECIFIERS)
    assert caught.value.remedy
    notice = Notice.about(line(text), caught.value)
    assert notice.bad
    assert str(notice).startswith("/usr/lib/tmpfiles.d/a.conf:3: ")


@pytest.mark.parametrize(
    "text",
    [
        *("x /a", "X /a", "r /a", "R! /a", "w /a - - - - x", "w+ /a", "p /a", "p+ /a", "b /a", "c+ /a"),
        *("t /a - - - - user.x=y", "T /a", "h /a - - - - +C", "H /a", "a+ /a - - - - u::rwx", "A /a"),
        *("d! /a", "f^ /a - - - - credential", "d /a/%b", "d /a/%H", "d /a/%v", "d /"),
    ],
)
def test_what_is_left_to_others_is_passed_over_and_said(text):
    with pytest.raises(PassedOver) as caught:
        parse_tmpfiles_line(line(text), SPECIFIERS)
    assert str(caught.value)
    assert not Notice.about(line(text), caught.value).bad


def test_the_machine_id_is_passed_over_where_there_is_none():
    with pytest.raises(PassedOver, match="machine id"):
        parse_tmpfiles_line(line("d /var/log/journal/%m"), Specifiers())


L = line("")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("u a -", UserLine(L, "a")),
        ("u a", UserLine(L, "a")),
        ("u a 7", UserLine(L, "a", 7)),
        ("u a 7:8", UserLine(L, "a", 7, None, 8)),
        ("u a 7:grp", UserLine(L, "a", 7, None, "grp")),
        ("u a -:grp", UserLine(L, "a", None, None, "grp")),
        ("u a /var/lib/a", UserLine(L, "a", None, "/var/lib/a")),
        (
            'u a - "A B" /home/a /bin/sh',
            UserLine(L, "a", None, None, None, "A B", "/home/a", "/bin/sh"),
        ),
        ("u a - - /var/a -", UserLine(L, "a", home="/var/a")),
        ("u! a -", UserLine(L, "a", locked=True)),
        ("u _a %U", UserLine(L, "_a", 0)),
        ("g g -", GroupLine(L, "g")),
        ("g g 65534", GroupLine(L, "g", 65534)),
        ("g g 7 -", GroupLine(L, "g", 7)),
        ("g g /etc/x", GroupLine(L, "g", None, "/etc/x")),
        ("m a g", MemberLine(L, "a", "g")),
        ("r - 500-900", RangeLine(L, 500, 900)),
        ("r - 500", RangeLine(L, 500, 500)),
    ],
)
def test_a_sysusers_line_means(text, expected):
    assert parse_sysusers_line(Line(L.file, L.number, text), SPECIFIERS) == type(expected)(
        Line(L.file, L.number, text),
        *(getattr(expected, name) for name in expected.__slots__ if name != "line"),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("u", "at least a type and a name"),
        ("x a", "type 'x' is unknown"),
        ("g! a", "type 'g!' is unknown"),
        ("u 7up -", "'7up' is not a name"),
        ("u a.b -", "not a name"),
        ("u " + "a" * 32, "not a name"),
        ("u a x", "'x' is not an id"),
        ("u a 7:b:c", "not a name"),
        ("u a 65535", "reserved"),
        ("u a 4294967295", "reserved"),
        ("u a 99999999999", "not an id"),
        ("u a - bad:gecos", "colon"),
        ("u a - - relative", "not an absolute path"),
        ("u a - - - nologin", "not an absolute path"),
        ("u a - one two three", "not an absolute path"),
        ('u a - "x" /h /s more', "more after the last field"),
        ("g a - gecos", "only a name and an id"),
        ("m a", "'' is not a name"),
        ("r - 9-5", "is empty"),
        ("r - x", "not an id"),
        ("r a 5-9", "no name"),
        ("u %z -", "specifier"),
    ],
)
def test_a_bad_sysusers_line_is_refused_with_a_remedy(text, complaint):
    with pytest.raises(BadLine, match=complaint) as caught:
        parse_sysusers_line(line(text), SPECIFIERS)
    assert caught.value.remedy


def test_words_end_where_they_are_asked_to():
    assert split_words("a 'b c' d  e f ", 3) == (["a", "b c", "d"], "e f")
    assert split_words("  ", 3) == ([], "")
    assert split_words("a''b \"\"", 3) == (["ab", ""], "")


def test_escapes_of_all_kinds_are_taken_out():
    assert unescape(r"\a\t\s\\\"\x41\101\u00e4\U0001f600") == '\a\t \\"AAä😀'
    for bad in ("\\", "\\xg1", "\\1_0", "\\u00", "\\U00110000", "\\400"):
        with pytest.raises(BadLine):
            unescape(bad)


def write(place: Path, text: str | bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(text.encode() if isinstance(text, str) else text)


def test_a_file_of_the_admin_stands_in_for_one_of_the_generation(tmp_path):
    root, usr = tmp_path / "root", tmp_path / "spare" / "usr"
    write(usr / "lib/tmpfiles.d/a.conf", "d /from-usr-a\n")
    write(usr / "lib/tmpfiles.d/b.conf", "# comment\n\n  d /from-usr-b\n")
    write(usr / "lib/tmpfiles.d/c.conf", "d /from-usr-c\n")
    write(usr / "lib/tmpfiles.d/d.conf", "d /from-usr-d\n")
    write(usr / "lib/tmpfiles.d/readme", "d /no\n")
    write(root / "usr/lib/tmpfiles.d/old.conf", "d /of-the-tree-that-goes\n")
    write(root / "run/tmpfiles.d/a.conf", "d /from-run-a\n")
    write(root / "etc/tmpfiles.d/a.conf", "d /from-etc-a\n")
    write(root / "run/tmpfiles.d/d.conf", "d /from-run-d\n")
    (root / "etc/tmpfiles.d/c.conf").symlink_to("/dev/null")
    lines, notices = configuration_lines(RootView(str(root), str(usr)), "tmpfiles.d")
    assert lines == [
        Line("etc/tmpfiles.d/a.conf", 1, "d /from-etc-a"),
        Line("usr/lib/tmpfiles.d/b.conf", 3, "d /from-usr-b"),
        Line("run/tmpfiles.d/d.conf", 1, "d /from-run-d"),
    ]
    assert not notices


def test_a_configuration_file_is_read_through_links_inside_the_root_only(tmp_path):
    root, usr = tmp_path / "root", tmp_path / "usr"
    write(tmp_path / "outside.conf", "d /outside\n")
    write(root / "srv/inside.conf", "d /inside\n")
    (root / "etc/tmpfiles.d").mkdir(parents=True)
    usr.mkdir()
    (root / "etc/tmpfiles.d/a.conf").symlink_to("../../../outside.conf")
    (root / "etc/tmpfiles.d/b.conf").symlink_to("/srv/inside.conf")
    (root / "etc/tmpfiles.d/c.conf").symlink_to("../../../../../srv/inside.conf")
    (root / "etc/tmpfiles.d/d.conf").symlink_to("d.conf")
    lines, _ = configuration_lines(RootView(str(root), str(usr)), "tmpfiles.d")
    assert [(found.file, found.text) for found in lines] == [
        ("etc/tmpfiles.d/b.conf", "d /inside"),
        ("etc/tmpfiles.d/c.conf", "d /inside"),
    ]


def test_a_line_that_is_not_utf8_is_a_notice_and_the_rest_is_read(tmp_path):
    root, usr = tmp_path / "root", tmp_path / "usr"
    root.mkdir()
    write(usr / "lib/tmpfiles.d/a.conf", b"d /\xff\nd /good\n")
    lines, notices = configuration_lines(RootView(str(root), str(usr)), "tmpfiles.d")
    assert [(found.number, found.text) for found in lines] == [(2, "d /good")]
    assert [(notice.number, notice.bad) for notice in notices] == [(1, True)]


def test_specifiers_are_those_of_the_root_and_not_of_this_machine(tmp_path):
    root, usr = tmp_path / "root", tmp_path / "usr"
    write(usr / "lib/os-release", 'ID=moss\nVERSION_ID="7"\n# BUILD_ID=no\n')
    write(root / "etc/machine-id", "abc\n")
    specifiers = specifiers_of(RootView(str(root), str(usr)))
    assert specifiers.expand("%o %w %B %m %%") == "moss 7  abc %"
    write(root / "etc/machine-id", "uninitialized\n")
    with pytest.raises(PassedOver):
        specifiers_of(RootView(str(root), str(usr))).expand("%m")
