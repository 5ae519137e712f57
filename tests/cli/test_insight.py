"""What moss says of its reasons."""

from tests.cli.conftest import Moss, Place


def test_why_tells_the_chain_up_to_a_wish(read_only_place: Place, moss: Moss) -> None:
    ended = moss("-D", str(read_only_place.root), "why", "greeting")
    assert ended.exit_code == 0
    assert ended.out == "greeting 1.0-1\n└─ hello 1.0-1 needs greeting\n   └─ you asked for hello\n"


def test_why_of_what_is_not_installed_says_where_to_look(read_only_place: Place, moss: Moss) -> None:
    ended = moss("-D", str(read_only_place.root), "why", "grump")
    assert ended.exit_code == 3 and "why-not grump" in ended.err


def test_why_not_tells_what_stands_against_a_package(read_only_place: Place, moss: Moss) -> None:
    ended = moss("-D", str(read_only_place.root), "why-not", "grump")
    assert ended.exit_code == 4
    assert "because" in ended.out and "grump 1.0-1 conflicts with greeting" in ended.out


def test_why_not_of_an_unknown_name_finds_near_ones(read_only_place: Place, moss: Moss) -> None:
    ended = moss("-D", str(read_only_place.root), "why-not", "helo")
    assert ended.exit_code == 3 and "hello" in ended.err


def test_rdepends_lists_who_needs_a_package(read_only_place: Place, moss: Moss) -> None:
    ended = moss("-D", str(read_only_place.root), "rdepends", "greeting")
    assert ended.exit_code == 0 and "hello 1.1-1" in ended.out and "needs" in ended.out
    alone = moss("-D", str(read_only_place.root), "rdepends", "hello")
    assert alone.out == "Nothing needs hello.\n"


def test_check_finds_every_package_installable(read_only_place: Place, moss: Moss) -> None:
    ended = moss("-D", str(read_only_place.root), "check")
    assert ended.exit_code == 0 and ended.out.startswith("All of ")
