"""Users and groups are added to a root, with the same ids everywhere; what the admin has stays."""

import os

import pytest

from moss.local import Why

IS_ROOT = os.geteuid() == 0
PASSWD = "root:x:0:0:root:/root:/bin/sh\nadmin:x:1000:1000:The, Admin:/home/admin:/bin/bash\n"
GROUP = "root:x:0:\nwheel:x:10:admin\nadmin:x:1000:\n"


def said(changes):
    return " | ".join(str(notice) for notice in changes.notices)


def users(system):
    return {line.split(":")[0]: line.split(":")[2:4] for line in system.text("etc/passwd").splitlines()}


def groups(system):
    return {line.split(":")[0]: line.split(":")[2:] for line in system.text("etc/group").splitlines()}


def test_entries_are_whole_and_locked(system):
    system.sysusers('u app 300 "An App" /var/lib/app /bin/sh', "u! shut -", "u root 0")
    system.sysusers("g data 400", "m app data", name="b")
    system.apply()
    assert system.text("etc/passwd").splitlines() == [
        "app:x:300:300:An App:/var/lib/app:/bin/sh",
        "shut:x:999:999::/:/usr/sbin/nologin",
        "root:x:0:0::/:/bin/sh",
    ]
    assert system.text("etc/shadow").splitlines() == [
        *("app:!*:::::::", "shut:!*::::::1:", "root:!*:::::::"),
    ]
    assert system.text("etc/group").splitlines() == [
        *("data:x:400:app", "app:x:300:", "shut:x:999:", "root:x:0:"),
    ]
    assert system.text("etc/gshadow").splitlines() == [
        *("data:!*::app", "app:!*::", "shut:!*::", "root:!*::"),
    ]
    assert [system.mode(f"etc/{name}") for name in ("passwd", "group", "shadow", "gshadow")] == [
        *(0o644, 0o644, 0o600, 0o600),
    ]


def test_shadow_files_belong_to_the_group_shadow_where_there_is_one(system):
    system.sysusers("g shadow 42", "u app -")
    system.apply()
    assert (system.mode("etc/shadow"), system.mode("etc/gshadow")) == (0o640, 0o640)
    if IS_ROOT:
        assert (system.root / "etc/shadow").stat().st_gid == 42


def test_existing_entries_and_files_keep_their_bytes_modes_and_owners(system):
    passwd = PASSWD + "# comment\nodd line\nlatin:x:5:5:\udce4:/:/bin/sh\n+nis::::::\n"
    (system.root / "etc").mkdir()
    (system.root / "etc/passwd").write_bytes(passwd.encode("utf-8", "surrogateescape"))
    (system.root / "etc/passwd").chmod(0o604)
    system.have("etc/group", GROUP.rstrip("\n"))
    system.have("etc/shadow", "root:$secret:1::::::\n", 0o400)
    system.sysusers("u app -", "u admin 77 - /elsewhere", "g wheel 99")
    changes = system.apply()
    after = (system.root / "etc/passwd").read_bytes().decode("utf-8", "surrogateescape")
    assert after == passwd.replace("+nis", "app:x:999:999::/:/usr/sbin/nologin\n+nis")
    assert system.text("etc/group") == GROUP + "app:x:999:\n"
    assert system.text("etc/shadow") == "root:$secret:1::::::\napp:!*:::::::\n"
    assert (system.mode("etc/passwd"), system.mode("etc/shadow")) == (0o604, 0o400)
    assert changes.users == (("app", 999),)
    assert changes.groups == (("app", 999),)


def test_nothing_is_written_when_nothing_is_missing(system):
    system.have("etc/passwd", PASSWD)
    system.have("etc/group", GROUP)
    system.sysusers("u root 0", "u admin -", "m admin wheel")
    assert system.apply().is_empty
    assert not (system.root / "etc/shadow").exists()


def test_a_first_root_begins_with_the_factory_s_accounts(system):
    first = "root:*:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/bin/sh\n"
    system.ship("share/base-passwd/passwd.master", first)
    system.ship("share/base-passwd/group.master", "root:*:0:\nshadow:*:42:\nusers:*:100:daemon\n")
    system.tmpfiles("C /etc/passwd - - - - /usr/share/base-passwd/passwd.master", "C /etc/group")
    changes = system.apply()
    assert system.text("etc/passwd") == first.replace("*", "x")
    assert system.text("etc/shadow") == "root:*:::::::\n"
    assert system.text("etc/group") == "root:x:0:\nshadow:x:42:\nusers:x:100:daemon\n"
    assert system.text("etc/gshadow") == "root:*::\nshadow:*::\nusers:*::daemon\n"
    assert not changes.kept
    assert system.apply().is_empty
    assert "etc/passwd" not in system.recorded


def test_the_factory_never_comes_over_the_admin_s_accounts(system):
    system.have("etc/passwd", "root:*:0:0::/root:/bin/sh\n")
    system.have("etc/group", GROUP)
    system.ship("share/factory/etc/passwd", "root:*:0:0::/root:/bin/sh\nother:*:7:7::/:/bin/sh\n")
    system.ship("share/factory/etc/group", "other:*:7:\n")
    system.tmpfiles("C /etc/passwd", "C /etc/group", "F /etc/shadow")
    assert system.apply().is_empty
    system.have("etc/passwd", PASSWD)
    assert not system.apply().kept


def test_ids_go_downwards_from_999_around_those_that_are_taken(system):
    system.have("etc/passwd", PASSWD + "old:x:999:100::/:/bin/sh\n")
    system.have("etc/group", GROUP + "other:x:998:\nd:x:995:\n")
    system.sysusers("u c 996", name="z")
    system.sysusers("u a -", "u b -", "u d -", "g e -")
    system.apply()
    assert {name: users(system)[name] for name in "abcd"} == {
        "a": ["994", "994"],
        "b": ["993", "993"],
        "c": ["996", "996"],
        "d": ["995", "995"],
    }
    assert groups(system)["e"] == ["997", ""]


def test_ids_do_not_depend_on_the_machine_or_the_order_of_runs(system):
    system.sysusers("u a -", "u b -")
    system.apply()
    first = system.text("etc/passwd")
    system.sysusers("u a -", "u b -", "u c -")
    system.apply()
    assert system.text("etc/passwd") == first + "c:x:997:997::/:/usr/sbin/nologin\n"


def test_an_id_asked_for_and_taken_is_replaced_and_said(system):
    system.have("etc/passwd", PASSWD + "old:x:33:33::/:/bin/sh\n")
    system.have("etc/group", GROUP + "old:x:33:\n")
    system.sysusers("u web 33", "g old2 33", "u wheely 10")
    changes = system.apply()
    assert users(system)["web"] == ["998", "998"]
    assert groups(system)["old2"] == ["999", ""]
    assert users(system)["wheely"] == ["997", "997"]
    assert "id 33 is taken by another name; web has 998" in said(changes)
    assert not changes.warnings


def test_an_id_is_taken_from_the_owner_of_a_path(system):
    if not IS_ROOT:
        pytest.skip("needs a file of another user")
    place = system.have("var/lib/app/x")
    os.chown(place, 450, 460)
    far = system.have("var/lib/far")
    os.chown(far, 45000, 46000)
    system.sysusers("u app /var/lib/app/x", "g data /var/lib/app/x", "u far /var/lib/far", "u none /nowhere")
    system.apply()
    assert groups(system)["data"] == ["460", ""]
    assert users(system)["app"] == ["450", "450"]
    assert users(system)["far"] == ["999", "999"]
    assert users(system)["none"] == ["998", "998"]


def test_groups_of_users_are_by_number_by_name_or_their_own(system):
    system.sysusers("g data 60", "u a 5:60", "u b 6:data", "u c -:data", "u f 60:60")
    system.sysusers("u d 7:61", "u e 8:nobodys", name="b")
    changes = system.apply()
    found = users(system)
    assert (found["a"], found["b"], found["c"], found["f"]) == (
        ["5", "60"],
        ["6", "60"],
        ["999", "60"],
        ["60", "60"],
    )
    assert not found.keys() & {"d", "e"}
    assert len(changes.warnings) == 2
    assert "group 61, which does not exist" in changes.warnings[0]
    assert groups(system).keys() == {"data"}


def test_a_range_is_where_ids_come_from_and_it_can_be_used_up(system):
    system.sysusers("r - 500-501", "u a -", "u b -", "u c -")
    changes = system.apply()
    assert users(system) == {"a": ["501", "501"], "b": ["500", "500"]}
    assert "there is no free id for c" in changes.warnings[0]


def test_the_first_of_two_lines_for_a_name_counts_and_another_is_said(system):
    system.sysusers("u a 300", "u a 300", "u a 301")
    changes = system.apply()
    assert users(system)["a"] == ["300", "300"]
    assert [notice.number for notice in changes.notices] == [3]


def test_members_are_joined_and_made_where_they_must_be(system):
    system.have("etc/passwd", PASSWD)
    system.have("etc/group", GROUP)
    system.have("etc/gshadow", "wheel:*:admin:admin\n")
    system.sysusers("m app wheel", "m app data", "m admin wheel")
    changes = system.apply()
    assert groups(system)["wheel"] == ["10", "admin,app"]
    assert groups(system)["data"][1] == "app"
    assert "wheel:*:admin:admin,app\n" in system.text("etc/gshadow")
    assert changes.members == (("app", "wheel"), ("app", "data"))


def test_a_member_that_the_admin_took_out_stays_out(system):
    system.have("etc/passwd", PASSWD)
    system.have("etc/group", GROUP)
    system.sysusers("m root wheel")
    system.apply()
    assert groups(system)["wheel"] == ["10", "admin,root"]
    system.have("etc/group", GROUP)
    for _ in range(2):
        assert not system.apply().members
        assert groups(system)["wheel"] == ["10", "admin"]


def test_account_files_that_are_links_are_not_written(system):
    system.have("srv/passwd", PASSWD)
    (system.root / "etc").mkdir()
    (system.root / "etc/passwd").symlink_to("../srv/passwd")
    system.have("etc/group", GROUP)
    system.sysusers("u app -")
    changes = system.apply()
    assert system.text("srv/passwd") == PASSWD
    assert system.text("etc/group") == GROUP
    assert "/etc/passwd" in changes.warnings[0]


def test_accounts_are_there_before_the_files_that_need_them(system):
    system.sysusers("u app -")
    system.tmpfiles("f /etc/x 0640 root app")
    changes = system.apply()
    assert [change.why for change in changes.changes] == [Why.NEEDED, Why.NEW]
    if IS_ROOT:
        assert (system.root / "etc/x").stat().st_gid == 999
