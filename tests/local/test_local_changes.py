"""What a generation says about /etc and /var is done where the admin has nothing, and only there."""

import os
import tempfile
from pathlib import Path

import pytest

from moss.effects import Effects
from moss.errors import CorruptData, MossError
from moss.local import KeptBecause, Why, apply_local_changes
from tests.local.systems import System

IS_ROOT = os.geteuid() == 0


def whys(changes):
    return {change.path: change.why for change in changes.changes}


def kept(changes):
    return {one.path: one.because for one in changes.kept}


def said(changes):
    return " | ".join(str(notice) for notice in changes.notices)


# Making


def test_an_empty_root_gets_what_the_lines_say(system):
    system.ship("share/factory/etc/app.conf", "factory", 0o640)
    system.tmpfiles(
        "d /var/lib/app 0750",
        "d /var/spool/sticky 1777",
        "f /etc/hello 0600 - - - text",
        "F /etc/empty",
        "L /var/run - - - - ../run",
        "L /etc/factory-link",
        "C /etc/app.conf",
        "C /etc/renamed 0400 - - - /usr/share/factory/etc/app.conf",
    )
    system.apply()
    assert system.mode("var/lib/app") == 0o750
    assert system.mode("var/lib") == 0o755
    assert system.mode("var/spool/sticky") == 0o1777
    assert (system.text("etc/hello"), system.mode("etc/hello")) == ("text", 0o600)
    assert system.text("etc/empty") == ""
    assert os.readlink(system.root / "var/run") == "../run"
    assert os.readlink(system.root / "etc/factory-link") == "/usr/share/factory/etc/factory-link"
    assert (system.text("etc/app.conf"), system.mode("etc/app.conf")) == ("factory", 0o640)
    assert (system.text("etc/renamed"), system.mode("etc/renamed")) == ("factory", 0o400)
    assert not (system.root / "etc/.moss-new").exists()


def test_twice_is_as_once(system):
    system.ship("share/factory/etc/app.d/one", "1")
    system.sysusers("u app -", "m app wheel")
    system.tmpfiles("C /etc/app.d", "d /var/lib/app 0750 app app", "z /var/lib/app 0700", "d /etc/a/b 0700")
    system.apply()
    before, recorded = system.listing(), dict(system.recorded)
    assert system.propose().is_empty
    system.apply()
    assert (system.listing(), system.recorded) == (before, recorded)


def test_a_lost_record_is_made_again_and_changes_nothing(system):
    system.ship("share/factory/etc/app.d/one", "1")
    system.tmpfiles("C /etc/app.d", "d /var/lib/app 0750", "L /etc/link - - - - x")
    system.apply()
    recorded, system.recorded = system.recorded, {}
    assert system.apply().is_empty
    assert system.recorded == recorded


def test_proposing_changes_nothing(system):
    system.sysusers("u app -")
    system.tmpfiles("d /var/lib/app", "f /etc/x")
    before = system.listing()
    assert not system.propose().is_empty
    assert system.listing() == before


def test_a_directory_of_the_factory_is_copied_with_all_that_is_in_it(system):
    system.ship("share/factory/etc/app.d/sub/one", "1", 0o600)
    system.ship("share/factory/etc/app.d/two", "2")
    (system.usr / "share/factory/etc/app.d/link").symlink_to("/nowhere")
    (system.usr / "share/factory/etc/app.d/sub").chmod(0o711)
    system.have("etc/app.d/two", "mine")
    system.tmpfiles("C /etc/app.d")
    changes = system.apply()
    assert system.text("etc/app.d/sub/one") == "1"
    assert (system.mode("etc/app.d/sub/one"), system.mode("etc/app.d/sub")) == (0o600, 0o711)
    assert os.readlink(system.root / "etc/app.d/link") == "/nowhere"
    assert system.text("etc/app.d/two") == "mine"
    assert kept(changes) == {"etc/app.d/two": KeptBecause.WAS_THERE}


def test_one_thing_that_cannot_be_copied_does_not_hinder_the_others(system):
    system.ship("share/factory/etc/app.d/one", "1")
    os.mkfifo(system.usr / "share/factory/etc/app.d/bad")
    system.ship("share/factory/etc/app.d/two", "2")
    system.tmpfiles("C /etc/app.d")
    assert "app.d/bad is neither a file" in said(system.apply())
    assert (system.text("etc/app.d/one"), system.text("etc/app.d/two")) == ("1", "2")


def test_a_directory_copied_outside_etc_is_filled_once(system):
    system.ship("share/factory/var/lib/app/one", "1")
    system.tmpfiles("C /var/lib/app")
    system.apply()
    (system.root / "var/lib/app/one").unlink()
    assert system.apply().is_empty
    assert not (system.root / "var/lib/app/one").exists()


def test_a_directory_that_a_line_needs_is_made_without_being_asked_for(system):
    system.tmpfiles("f /etc/a/b/c - - - - x")
    system.apply()
    assert system.mode("etc/a/b") == 0o755
    assert system.apply().is_empty


def test_the_first_of_two_lines_for_a_path_is_done_and_the_other_said(system):
    system.tmpfiles("f /etc/x - - - - first", name="a")
    system.tmpfiles("f /etc/x - - - - second", name="b")
    changes = system.apply()
    assert system.text("etc/x") == "first"
    assert "b.conf:1: /etc/x is already said by /usr/lib/tmpfiles.d/a.conf:1" in said(changes)
    assert not changes.warnings


def test_a_bad_line_is_a_warning_and_the_rest_is_done(system):
    system.tmpfiles("d /var/lib/one", "nonsense /x", "d relative", "d /x - nobody-such", "d /var/lib/two")
    system.sysusers("x y z", "u app 7up", "u good -")
    changes = system.apply()
    assert (system.root / "var/lib/one").is_dir()
    assert (system.root / "var/lib/two").is_dir()
    assert "good:x:999:999:" in system.text("etc/passwd")
    assert len(changes.warnings) == 5
    assert all(".conf:" in warning and "(" in warning for warning in changes.warnings)
    assert not (system.root / "x").exists()


@pytest.mark.parametrize("place", ["/usr/lib/x", "/lib/x", "/run/x", "/var/run/x", "/proc/x", "/.moss/x"])
def test_nothing_is_made_where_only_others_may(system, place):
    (system.root / "lib").symlink_to("usr/lib")
    system.tmpfiles("L /var/run - - - - ../run", f"f {place} - - - - text", f"d {place}.d")
    changes = system.apply()
    assert whys(changes).keys() <= {"var", "var/run"}
    assert said(changes)
    assert not (system.usr / "lib/x").exists()


def test_a_link_with_a_question_mark_needs_its_target(system):
    system.ship("lib/there")
    system.tmpfiles("L? /etc/one - - - - ../usr/lib/there", "L? /etc/two - - - - /usr/lib/not-there")
    system.apply()
    assert (system.root / "etc/one").is_symlink()
    assert not (system.root / "etc/two").is_symlink()


def test_a_copy_without_its_source_is_said(system):
    system.tmpfiles("C /etc/none")
    assert "there is no /usr/share/factory/etc/none to copy" in said(system.apply())


def test_a_file_where_a_directory_is_needed_stays(system):
    system.have("etc/app", "a file")
    system.ship("share/factory/etc/app/one", "1")
    system.tmpfiles("C /etc/app", "f /etc/app/two", "d /etc/app/three")
    changes = system.apply()
    assert system.text("etc/app") == "a file"
    assert kept(changes) == {"etc/app": KeptBecause.WAS_THERE}


# The admin's files


def test_a_file_that_nobody_changed_follows_the_factory(system):
    shipped = system.ship("share/factory/etc/app.conf", "old")
    system.tmpfiles("C /etc/app.conf", "L /etc/link - - - - old", "d /etc/dir 0755")
    system.apply()
    shipped.write_text("new")
    shipped.chmod(0o600)
    system.tmpfiles("C /etc/app.conf", "L /etc/link - - - - new", "d /etc/dir 0700")
    changes = system.apply()
    assert set(whys(changes).values()) == {Why.FOLLOWS}
    assert (system.text("etc/app.conf"), system.mode("etc/app.conf")) == ("new", 0o600)
    assert os.readlink(system.root / "etc/link") == "new"
    assert system.mode("etc/dir") == 0o700
    assert system.apply().is_empty


def test_a_changed_file_stays_and_the_difference_is_reported(system):
    shipped = system.ship("share/factory/etc/app.conf", "old")
    system.tmpfiles("C /etc/app.conf")
    system.apply()
    system.have("etc/app.conf", "mine")
    quiet = system.apply()
    assert (kept(quiet), quiet.warnings) == ({"etc/app.conf": KeptBecause.CHANGED}, ())
    shipped.write_text("new")
    loud = system.apply()
    assert kept(loud) == {"etc/app.conf": KeptBecause.BOTH_CHANGED}
    assert loud.warnings
    assert loud.warnings[0].startswith("/etc/app.conf stays as it is: ")
    assert system.text("etc/app.conf") == "mine"


def test_a_changed_mode_is_a_change_too(system):
    shipped = system.ship("share/factory/etc/app.conf", "old")
    system.tmpfiles("C /etc/app.conf", "d /etc/dir 0755")
    system.apply()
    (system.root / "etc/app.conf").chmod(0o600)
    (system.root / "etc/dir").chmod(0o700)
    shipped.write_text("new")
    system.tmpfiles("C /etc/app.conf", "d /etc/dir 0711")
    changes = system.apply()
    assert kept(changes) == dict.fromkeys(("etc/app.conf", "etc/dir"), KeptBecause.BOTH_CHANGED)
    assert (system.text("etc/app.conf"), system.mode("etc/dir")) == ("old", 0o700)


def test_a_file_given_back_as_it_was_follows_again(system):
    shipped = system.ship("share/factory/etc/app.conf", "old")
    system.tmpfiles("C /etc/app.conf")
    system.apply()
    system.have("etc/app.conf", "mine")
    system.apply()
    shipped.write_text("new")
    system.apply()
    system.have("etc/app.conf", "old")
    system.apply()
    assert system.text("etc/app.conf") == "new"


def test_a_file_that_was_there_before_moss_stays(system):
    system.have("etc/app.conf", "mine")
    system.ship("share/factory/etc/app.conf", "factory")
    system.tmpfiles("C /etc/app.conf", "L+ /etc/app.conf", "F /etc/app.conf - - - - x")
    for _ in range(2):
        changes = system.apply()
        assert kept(changes) == {"etc/app.conf": KeptBecause.WAS_THERE}
        assert system.text("etc/app.conf") == "mine"


def test_what_the_admin_deleted_stays_deleted(system):
    shipped = system.ship("share/factory/etc/app.d/one", "1")
    system.tmpfiles("C /etc/app.d", "L /etc/link - - - - x")
    system.apply()
    (system.root / "etc/link").unlink()
    shipped_twice = system.root / "etc/app.d/one"
    shipped_twice.unlink()
    changes = system.apply()
    assert kept(changes) == dict.fromkeys(("etc/link", "etc/app.d/one"), KeptBecause.DELETED)
    (system.root / "etc/app.d").rmdir()
    system.ship("share/factory/etc/app.d/two", "2")
    shipped.write_text("new")
    for _ in range(2):
        changes = system.apply()
        assert changes.is_empty
    assert not (system.root / "etc/app.d").exists()
    assert not (system.root / "etc/link").is_symlink()


def test_what_programs_keep_in_var_is_made_again(system):
    system.tmpfiles("d /var/lib/app", "f /var/log/app.log - - - - begin")
    system.apply()
    (system.root / "var/lib/app").rmdir()
    (system.root / "var/log/app.log").write_text("grown")
    changes = system.apply()
    assert whys(changes) == {"var/lib/app": Why.NEW}
    assert not changes.kept
    assert system.text("var/log/app.log") == "grown"


def test_what_the_next_generation_has_no_longer_goes_where_nobody_changed_it(system):
    system.ship("share/factory/etc/app.d/one", "1")
    system.ship("share/factory/etc/app.d/two", "2")
    system.tmpfiles("C /etc/app.d", "f /etc/x", "f /var/lib/app/state", "d /etc/empty")
    system.apply()
    system.have("etc/app.d/two", "mine")
    system.tmpfiles()
    changes = system.apply()
    assert kept(changes) == {"etc/app.d/two": KeptBecause.LEFT_BEHIND}
    assert sorted(str(path.relative_to(system.root)) for path in system.root.rglob("*")) == [
        *("etc", "etc/app.d", "etc/app.d/two", "var", "var/lib", "var/lib/app", "var/lib/app/state"),
    ]
    assert system.recorded == {}
    assert system.apply().is_empty


def test_nothing_is_withdrawn_while_a_line_cannot_be_read(system):
    system.tmpfiles("f /etc/x", "f /etc/y")
    system.apply()
    system.tmpfiles("f /etc/x", "f /etc/y nonsense")
    changes = system.apply()
    assert changes.is_empty
    assert (system.root / "etc/y").exists()
    system.tmpfiles("f /etc/x")
    system.apply()
    assert not (system.root / "etc/y").exists()


def test_a_rollback_follows_back(system):
    shipped = system.ship("share/factory/etc/app.conf", "old")
    system.tmpfiles("C /etc/app.conf")
    system.apply()
    before = system.listing(), dict(system.recorded)
    shipped.write_text("new")
    system.tmpfiles("C /etc/app.conf", "f /etc/only-new")
    system.apply()
    shipped.write_text("old")
    system.tmpfiles("C /etc/app.conf")
    system.apply()
    assert (system.listing(), system.recorded) == before


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("f /etc/x - - - - text", "L /etc/x - - - - target"),
        ("L /etc/x - - - - target", "f /etc/x - - - - text"),
        ("f /etc/x - - - - text", "d /etc/x 0700"),
        ("d /etc/x 0700", "f /etc/x - - - - text"),
        ("L /etc/x - - - - target", "d /etc/x 0700"),
        ("d /etc/x 0700", "L /etc/x - - - - target"),
    ],
)
def test_what_nobody_changed_becomes_another_kind_of_thing(system, first, then):
    system.tmpfiles(then)
    system.apply()
    expected = system.listing()
    (system.root / "etc/x").rmdir() if then.startswith("d") else (system.root / "etc/x").unlink()
    system.recorded = {}
    system.tmpfiles(first)
    system.apply()
    system.tmpfiles(then)
    system.apply()
    assert system.listing() == expected
    assert system.apply().is_empty


def test_a_directory_with_files_of_the_admin_never_becomes_a_file(system):
    system.tmpfiles("d /etc/x")
    system.apply()
    system.have("etc/x/mine", "kept")
    system.tmpfiles("f /etc/x")
    for _ in range(2):
        system.apply()
        assert system.text("etc/x/mine") == "kept"


def test_an_edit_between_question_and_answer_is_not_overwritten(system):
    shipped = system.ship("share/factory/etc/app.conf", "old")
    system.tmpfiles("C /etc/app.conf", "f /etc/withdrawn")
    system.apply()
    shipped.write_text("new")
    system.tmpfiles("C /etc/app.conf", "f /etc/second - - - - theirs", "d /etc/dir 0700", "f /etc/gone/x")
    changes = system.propose()
    assert whys(changes)["etc/withdrawn"] is Why.WITHDRAWN
    system.have("etc/withdrawn", "edited meanwhile")
    system.have("etc/app.conf", "edited meanwhile")
    system.have("etc/second", "mine")
    system.have("etc/dir", "a file")
    (system.root / "etc/gone").symlink_to(system.root.parent)
    recorded = apply_local_changes(changes, str(system.root), Effects(apply_owners=system.owners))
    assert system.text("etc/app.conf") == "edited meanwhile"
    assert system.text("etc/second") == "mine"
    assert system.text("etc/dir") == "a file"
    assert not (system.root.parent / "x").exists()
    assert system.text("etc/withdrawn") == "edited meanwhile"
    del system.recorded["etc/withdrawn"]
    assert recorded == system.recorded


def test_account_files_edited_between_question_and_answer_stop_the_work(system):
    system.sysusers("u app -")
    changes = system.propose()
    system.have("etc/passwd", "root:x:0:0::/root:/bin/sh\n")
    with pytest.raises(MossError, match="etc/passwd was changed") as caught:
        apply_local_changes(changes, str(system.root), Effects(apply_owners=system.owners))
    assert caught.value.remedies
    assert system.text("etc/passwd").startswith("root:")


def test_a_factory_file_that_changes_while_it_is_copied_is_refused(system):
    shipped = system.ship("share/factory/etc/app.conf", "one")
    system.tmpfiles("C /etc/app.conf")
    changes = system.propose()
    shipped.write_text("two")
    with pytest.raises(CorruptData) as caught:
        apply_local_changes(changes, str(system.root), Effects(apply_owners=system.owners))
    assert caught.value.file == str(shipped)
    assert not (system.root / "etc/app.conf").exists()
    system.apply()
    assert system.text("etc/app.conf") == "two"
    assert not (system.root / "etc/.moss-new").exists()


# Adjusting


def test_adjusting_lines_set_modes_of_what_is_there(system):
    system.have("var/log/app/one", mode=0o400)
    system.have("var/log/app/two.sh", mode=0o755)
    (system.root / "var/log/app/link").symlink_to("/etc/outside")
    system.tmpfiles("Z /var/log/app ~0750", "e /var/l* 0711", "z /var/log/none 0700")
    changes = system.apply()
    assert (system.mode("var/log/app/one"), system.mode("var/log/app/two.sh")) == (0o440, 0o750)
    assert system.mode("var/log/app") == 0o750
    assert system.mode("var/log") == 0o711
    assert set(whys(changes).values()) == {Why.ADJUSTED}
    assert system.apply().is_empty


def test_adjusting_a_tree_never_goes_through_a_link(system, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "theirs").touch()
    (outside / "theirs").chmod(0o604)
    system.have("etc/app/mine", mode=0o604)
    (system.root / "var/lib").mkdir(parents=True)
    (system.root / "var/lib/in").symlink_to("../../etc/app")
    (system.root / "var/lib/out").symlink_to(outside)
    system.tmpfiles("Z /var/lib 0777", "z /var/lib/out/* 0777")
    assert whys(system.apply()) == {"var/lib": Why.ADJUSTED}
    assert system.mode("etc/app/mine") == 0o604
    assert (outside / "theirs").stat().st_mode & 0o777 == 0o604


def test_a_directory_that_is_only_needed_is_adjusted_too(system):
    system.tmpfiles("f /etc/app/x", "z /etc/app 0700")
    system.apply()
    assert system.mode("etc/app") == 0o700


def test_what_stays_is_reported_once(system):
    system.have("etc/app/x")
    system.tmpfiles("d /etc/app 0711", "z /etc/app 0700")
    assert [one.path for one in system.apply().kept] == ["etc/app"]


def test_a_directory_is_adjusted_after_what_is_in_it(system):
    system.have("var/log/app/one", mode=0o600)
    system.tmpfiles("Z /var/log/app 0400")
    changes = system.apply()
    assert list(whys(changes)) == ["var/log/app/one", "var/log/app"]
    (system.root / "var/log/app").chmod(0o700)
    assert system.mode("var/log/app/one") == 0o400


@pytest.fixture
def ordinary_user_s_system():
    """A system of somebody who is not root, whoever runs the tests."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "root").mkdir()
        (Path(place) / "usr").mkdir()
        system = System(Path(place) / "root", Path(place) / "usr", owners=False)
        if IS_ROOT:
            for path in (place, system.root, system.usr):
                os.chown(path, 65534, 65534)
            os.seteuid(65534)
        yield system
        if IS_ROOT:
            os.seteuid(0)


def test_what_cannot_be_looked_at_is_a_warning_and_the_rest_is_done(ordinary_user_s_system):
    system = ordinary_user_s_system
    system.tmpfiles("f /etc/secret 0000 - - - x", "f /etc/gone")
    system.apply()
    recorded = system.recorded
    system.tmpfiles("f /etc/secret 0000 - - - y", "d /etc/app")
    changes = system.apply()
    assert (system.root / "etc/app").is_dir()
    assert "/etc/secret cannot be looked at" in changes.warnings[0]
    assert system.recorded == {**recorded, "etc/app": "directory 0755 0 0"}


def test_adjusting_lines_hold_for_what_other_lines_make(system):
    system.tmpfiles("d /etc/app 0755", "f /etc/app/key 0644 - - - x", "z /etc/app/k* 0600", "Z /etc/app 0700")
    system.apply()
    assert (system.mode("etc/app"), system.mode("etc/app/key")) == (0o700, 0o700)
    assert system.apply().is_empty


def test_adjusting_lines_leave_the_admin_s_own_files_in_etc_alone(system):
    system.have("etc/mine", mode=0o600)
    system.tmpfiles("z /etc/mine 0644")
    changes = system.apply()
    assert system.mode("etc/mine") == 0o600
    assert kept(changes) == {"etc/mine": KeptBecause.WAS_THERE}


def test_a_file_with_other_links_is_not_adjusted(system):
    victim = system.have("etc/victim", mode=0o600)
    (system.root / "var").mkdir()
    os.link(victim, system.root / "var/trap")
    system.tmpfiles("z /var/trap 0666")
    assert "other hard links" in said(system.apply())
    assert system.mode("etc/victim") == 0o600


def test_a_mode_for_new_things_only_leaves_the_mode_of_old_ones(system):
    system.have("etc/dir/x")
    (system.root / "etc/dir").chmod(0o750)
    system.tmpfiles("d /etc/dir :0700", "d /etc/new :0700")
    changes = system.apply()
    assert (system.mode("etc/dir"), system.mode("etc/new")) == (0o750, 0o700)
    assert not changes.kept


# Staying inside


def test_nothing_is_withdrawn_through_a_link_of_the_admin_s(system):
    system.tmpfiles("f /etc/app.d/x")
    system.apply()
    (system.root / "etc/app.d").rename(system.root / "srv")
    (system.root / "etc/app.d").symlink_to("../srv")
    system.tmpfiles()
    assert system.apply().is_empty
    assert (system.root / "srv/x").exists()


@pytest.mark.skipif(not IS_ROOT, reason="needs files of other users")
def test_a_record_stays_while_its_path_could_be_bent(system):
    system.tmpfiles("f /etc/app/sub/x")
    system.apply()
    recorded = system.recorded
    os.chown(system.root / "etc/app", 4242, 4242)
    system.tmpfiles()
    assert system.apply().is_empty
    assert system.recorded == recorded
    assert (system.root / "etc/app/sub/x").exists()


@pytest.mark.skipif(not IS_ROOT, reason="needs files of other users")
def test_lines_in_a_directory_that_could_be_bent_are_not_read(system):
    system.have("etc/tmpfiles.d/a.conf", "d /var/bent\n")
    os.chown(system.root / "etc", 4242, 4242)
    system.tmpfiles("d /var/good", name="b")
    changes = system.apply()
    assert "could bend" in changes.warnings[0]
    assert sorted(os.listdir(system.root / "var")) == ["good"]


def test_no_link_leads_out_of_the_root(system, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (system.root / "var").mkdir()
    (system.root / "var/up").symlink_to("../../outside")
    (system.root / "var/absolute").symlink_to(str(outside))
    (system.root / "var/loop").symlink_to("loop")
    system.tmpfiles("f /var/up/a", "f /var/absolute/b", "f /var/loop/c", "z /var/up/* 0777")
    changes = system.apply()
    assert not list(outside.iterdir())
    assert (system.root / "outside/a").exists()
    assert (system.root / str(outside)[1:] / "b").exists()
    assert "too many symlinks" in said(changes)


def test_a_link_inside_the_root_is_followed_there(system):
    (system.root / "srv/data").mkdir(parents=True)
    (system.root / "var").mkdir()
    (system.root / "var/lib").symlink_to("/srv/data")
    system.tmpfiles("d /var/lib/app")
    system.apply()
    assert (system.root / "srv/data/app").is_dir()


def test_a_copy_reads_nothing_outside_the_root(system, tmp_path):
    (tmp_path / "secret").write_text("secret")
    system.ship("share/x")
    (system.usr / "share/out").symlink_to("../../../../..")
    system.tmpfiles(f"C /etc/stolen - - - - /usr/share/out{tmp_path}/secret")
    assert "there is no" in said(system.apply())


@pytest.mark.skipif(not IS_ROOT, reason="needs files of other users")
def test_a_path_that_an_ordinary_user_can_bend_is_passed_over(system):
    home = system.root / "var/lib/app"
    home.mkdir(parents=True)
    os.chown(home, 4242, 4242)
    (home / "link").symlink_to("/etc")
    os.chown(home / "link", 4242, 4242, follow_symlinks=False)
    (home / "theirs").mkdir()
    os.chown(home / "theirs", 4242, 4242)
    (system.root / "etc").mkdir()
    (home / "mine").mkdir()
    system.tmpfiles(
        "f /var/lib/app/link/shadow - - - - x", "d /var/lib/app/theirs/fine", "d /var/lib/app/mine/no"
    )
    changes = system.apply()
    assert said(changes).count("could bend elsewhere") == 2
    assert not (system.root / "etc/shadow").exists()
    assert (home / "theirs/fine").is_dir()


@pytest.mark.skipif(not IS_ROOT, reason="needs files of other users")
def test_a_directory_of_root_in_one_of_a_service_is_made_and_kept(system):
    system.sysusers("u app -")
    system.tmpfiles("d /etc/app 0750 app app", "d /etc/app/sub 0750", "f /etc/app/sub/x")
    system.apply()
    recorded = system.recorded
    assert recorded.keys() >= {"etc/app/sub"}
    assert system.apply().is_empty
    assert system.recorded == recorded
    assert (system.root / "etc/app/sub").is_dir()


# Owners


@pytest.mark.skipif(not IS_ROOT, reason="only root may give files away")
def test_owners_are_those_of_the_root_s_own_accounts(system):
    system.sysusers("u app -", "g data 500")
    system.tmpfiles("d /var/lib/app 2750 app data", "f /etc/x 4755 77 data", "L /etc/l - app data - t")
    system.apply()
    found = (system.root / "var/lib/app").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (999, 500, 0o2750)
    found = (system.root / "etc/x").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (77, 500, 0o4755)
    assert (system.root / "etc/l").lstat().st_uid == 999


def test_an_ordinary_user_s_owners_are_recorded_and_not_applied(system):
    system.owners = False
    system.sysusers("u app -")
    system.tmpfiles("d /var/lib/app 0750 app app", "f /etc/x 0644 app", "z /etc/x 0600 app")
    changes = system.apply()
    assert changes.owners_not_applied
    assert (system.root / "var/lib/app").stat().st_uid == os.geteuid()
    assert system.recorded["var/lib/app"] == "directory 0750 999 999"
    assert system.recorded["etc/x"].startswith("file 0600 999 0 ")
    assert system.apply().is_empty


@pytest.mark.skipif(not IS_ROOT, reason="only root may mount")
def test_another_file_system_below_the_root_is_filled_too(system):
    mounted = system.root / "var/lib"
    mounted.mkdir(parents=True)
    if os.system(f"mount -t tmpfs none '{mounted}' 2>/dev/null"):
        pytest.skip("this machine lets nobody mount")
    try:
        (mounted / ".x.moss-new").write_text("left by a crash")
        system.tmpfiles("d /var/lib/app 0700", "f /var/lib/x - - - - one", "L /var/lib/l - - - - t")
        system.apply()
        assert (system.mode("var/lib/app"), system.text("var/lib/x")) == (0o700, "one")
        system.tmpfiles("f /var/lib/app 0600", "f /var/lib/x - - - - two", "L /var/lib/l - - - - u")
        system.apply()
        assert (system.mode("var/lib/app"), system.text("var/lib/x")) == (0o600, "two")
        assert sorted(os.listdir(mounted)) == ["app", "l", "x"]
    finally:
        os.system(f"umount '{mounted}'")


def test_a_root_whose_etc_is_no_directory_is_refused(system):
    (system.root / "etc").symlink_to("srv")
    (system.root / "srv").mkdir()
    system.sysusers("u app -")
    with pytest.raises(MossError, match="etc is not a directory"):
        system.apply()
    assert not Path(system.root / "srv/passwd").exists()
