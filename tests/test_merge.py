"""What becomes of the paths of several packages in one generation."""

import stat

import pytest

from moss.digest import content_digest
from moss.layout import Entry, directory, regular, symlink
from moss.merge import LayoutCollision, merge

ONE, OTHER = content_digest(b"one"), content_digest(b"other")


def merged(*packages: tuple[str, list[Entry]], replaces: frozenset[tuple[str, str]] = frozenset()) -> list[Entry]:
    return merge(packages, replaces).entries


def paths(layout: list[Entry]) -> list[str]:
    return [entry.path for entry in layout]


def test_paths_come_sorted_and_parents_first() -> None:
    layout = merged(
        ("b", [regular("share/b", ONE), directory("share/empty")]), ("a", [regular("bin/a", ONE)])
    )
    assert paths(layout) == ["bin/a", "share/b", "share/empty"]


def test_the_same_file_twice_is_fine() -> None:
    entry = regular("share/licence", ONE)
    assert merged(("a", [entry]), ("b", [entry])) == [entry]


@pytest.mark.parametrize(
    "other",
    [
        regular("bin/x", OTHER),
        regular("bin/x", ONE, 0o755),
        regular("bin/x", ONE, uid=1),
        symlink("bin/x", "y"),
        directory("bin/x"),
        regular("bin/x/below", ONE),
    ],
    ids=["content", "mode", "owner", "symlink", "directory", "path below a file"],
)
def test_different_things_at_one_path_are_a_collision_that_names_both(other: Entry) -> None:
    with pytest.raises(LayoutCollision) as caught:
        merged(("a", [regular("bin/x", ONE)]), ("b", [other]))
    (collision,) = caught.value.collisions
    assert {collision.first, collision.second} == {"a", "b"}
    assert collision.path == "bin/x"
    assert "/usr/bin/x" in caught.value.message


def test_every_collision_is_told_at_once() -> None:
    with pytest.raises(LayoutCollision) as caught:
        merged(
            ("a", [regular("bin/x", ONE), regular("bin/y", ONE)]),
            ("b", [regular("bin/x", OTHER), regular("bin/y", OTHER)]),
        )
    assert [collision.path for collision in caught.value.collisions] == ["bin/x", "bin/y"]


@pytest.mark.parametrize("replacing", ["a", "b"])
def test_a_package_that_replaces_the_other_wins(replacing: str) -> None:
    replaced = "b" if replacing == "a" else "a"
    layout = merged(
        ("a", [regular("bin/x", content_digest(b"a"))]),
        ("b", [regular("bin/x", content_digest(b"b"))]),
        replaces=frozenset({(replacing, replaced)}),
    )
    assert [entry.digest for entry in layout] == [content_digest(replacing.encode())]


def test_what_one_package_says_of_a_directory_beats_what_is_usual() -> None:
    private = directory("lib/private", 0o700, uid=7)
    assert merged(("a", [directory("lib/private")]), ("b", [private])) == [private]
    assert merged(("a", [private]), ("b", [directory("lib/private")])) == [private]


def test_two_packages_that_say_different_things_of_a_directory_collide() -> None:
    with pytest.raises(LayoutCollision):
        merged(("a", [directory("x", 0o700)]), ("b", [directory("x", 0o711)]))


@pytest.mark.parametrize(
    ("link", "stated", "real"),
    [
        (symlink("lib64", "lib"), "lib64/libz.so", "lib/libz.so"),
        (symlink("lib64", "/usr/lib"), "lib64/libz.so", "lib/libz.so"),
        (symlink("lib64", "/lib"), "lib64/libz.so", "lib/libz.so"),
        (symlink("share/doc/a", "../other/deep"), "share/doc/a/x", "share/other/deep/x"),
        (symlink("share/doc/a", "b"), "share/doc/a/c/d", "share/doc/b/c/d"),
        (symlink("here", "../usr"), "here/bin/x", "bin/x"),
    ],
)
def test_a_path_through_another_packages_directory_link_moves_to_where_it_points(
    link: Entry, stated: str, real: str
) -> None:
    layout = merged(("a", [link]), ("b", [regular(stated, ONE)]))
    assert sorted(paths(layout)) == sorted([link.path, real])
    assert next(entry for entry in layout if entry.path == real).digest == ONE


def test_links_in_a_chain_are_followed_to_the_end() -> None:
    layout = merged(("a", [symlink("l1", "l2"), symlink("l2", "l3")]), ("b", [regular("l1/x", ONE)]))
    assert "l3/x" in paths(layout)


def test_a_circle_of_links_is_a_collision_and_no_hang() -> None:
    with pytest.raises(LayoutCollision):
        merged(("a", [symlink("l1", "l2"), symlink("l2", "l1")]), ("b", [regular("l1/x", ONE)]))


def test_nothing_is_placed_through_a_link_that_leaves_usr() -> None:
    with pytest.raises(LayoutCollision):
        merged(("a", [symlink("out", "../../etc")]), ("b", [regular("out/passwd", ONE)]))


def test_a_file_moved_by_a_link_collides_where_it_lands() -> None:
    with pytest.raises(LayoutCollision) as caught:
        merged(
            ("a", [symlink("lib64", "lib"), regular("lib/libz.so", OTHER)]), ("b", [regular("lib64/libz.so", ONE)])
        )
    assert caught.value.collisions[0].path == "lib/libz.so"


def test_modes_are_whole_file_modes() -> None:
    assert stat.S_ISREG(regular("x", ONE).mode)
    assert stat.S_ISLNK(symlink("x", "y").mode)
    assert stat.S_ISDIR(directory("x").mode)
