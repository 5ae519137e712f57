"""What maintainer scripts would have made, and what is said about them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from moss.foreign.deb import Notice
from moss.foreign.recipes import RECIPES, Alternative, Copy, TriggerFile
from moss.layout import EntryKind
from moss.triggers.reading import read_trigger
from moss.triggers.values import Scope
from moss.xattrs import capability_value, xattrs_of
from tests.foreign.debmaker import Deb, Item, Read, converted, folder, link


def made(directory: Path, package: str, *files: Item) -> tuple[tuple[Notice, ...], Read]:
    fields = f"Package: {package}\nVersion: 1\nArchitecture: all\nDescription: x\n"
    done, read = converted(Deb(files, fields), directory)
    return done.warnings, read


def test_the_first_users_and_groups_come_from_base_passwd(tmp_path: Path) -> None:
    warnings, read = made(
        tmp_path,
        "base-passwd",
        Item("./usr/share/base-passwd/passwd.master", b"root:*:0:0:root:/root:/bin/bash\n"),
        Item("./usr/share/base-passwd/group.master", b"root:*:0:\n"),
    )
    assert not warnings
    assert read.contents["share/factory/etc/passwd"] == b"root:*:0:0:root:/root:/bin/bash\n"
    assert read.contents["share/factory/etc/group"] == b"root:*:0:\n"
    assert read.lines("base-passwd") == ["C /etc/group - - - -", "C /etc/passwd - - - -"]


def test_the_ca_certificates_are_one_file_for_those_who_read_one(tmp_path: Path) -> None:
    directory = "usr/share/ca-certificates/mozilla"
    _, read = made(
        tmp_path,
        "ca-certificates",
        Item(f"./{directory}/B.crt", b"-- b\n"),
        Item(f"./{directory}/A.crt", b"-- a\n"),
        Item(f"./{directory}/README", b"not one\n"),
    )
    assert read.contents["share/factory/etc/ssl/certs/ca-certificates.crt"] == b"-- a\n-- b\n"
    assert read.contents["share/factory/etc/ca-certificates.conf"] == b"mozilla/A.crt\nmozilla/B.crt\n"


def test_awk_is_whichever_awk_is_there(tmp_path: Path) -> None:
    _, mawk = made(tmp_path, "mawk", Item("./usr/bin/mawk", b"mawk"))
    _, gawk = made(tmp_path, "gawk", Item("./usr/bin/gawk", b"gawk"))
    assert mawk.entries["bin/awk"] == gawk.entries["bin/awk"]
    assert mawk.entries["bin/awk"].link_target == "/etc/alternatives/awk"
    assert "L /etc/alternatives/awk - - - - /usr/bin/mawk" in mawk.lines("mawk")
    assert "L /etc/alternatives/awk - - - - /usr/bin/gawk" in gawk.lines("gawk")


def test_a_package_that_ships_the_link_itself_needs_no_recipe(tmp_path: Path) -> None:
    _, read = made(
        tmp_path, "original-awk", Item("./usr/bin/original-awk", b"x"), Item("./usr/bin/awk", b"real")
    )
    assert read.entries["bin/awk"].kind is EntryKind.REGULAR
    assert not read.lines("original-awk")


def test_a_program_gets_the_capabilities_that_its_script_would_have_set(tmp_path: Path) -> None:
    warnings, read = made(tmp_path, "iputils-ping", Item("./bin/ping", b"ping", mode=0o755))
    assert not warnings
    assert read.entries["bin/ping"].xattrs == xattrs_of({"security.capability": capability_value(1 << 13)})
    if os.geteuid() == 0 and shutil.which("getcap"):
        (tmp_path / "ping").write_bytes(b"ping")
        os.setxattr(tmp_path / "ping", "security.capability", capability_value(1 << 13))
        said = subprocess.run(["getcap", str(tmp_path / "ping")], capture_output=True, text=True, check=True).stdout
        assert said == f"{tmp_path}/ping cap_net_raw=ep\n"
    warnings, _ = made(tmp_path, "iputils-ping", Item("./usr/bin/other", b""))
    assert "no file /usr/bin/ping" in str(warnings[0])


def test_what_the_package_ships_itself_stays(tmp_path: Path) -> None:
    _, read = made(
        tmp_path,
        "libc-bin",
        Item("./usr/share/libc-bin/nsswitch.conf", b"recipe"),
        Item("./etc/nsswitch.conf", b"shipped"),
    )
    assert read.contents["share/factory/etc/nsswitch.conf"] == b"shipped"
    assert read.lines("libc-bin") == ["C /etc/nsswitch.conf - - - -"]


def test_what_the_package_says_of_a_path_outside_usr_stays(tmp_path: Path) -> None:
    _, read = made(
        tmp_path, "base-files", folder("./var/mail/", 0o700), link("./var/spool/mail", "/elsewhere")
    )
    said = [line for line in read.lines("base-files") if "mail" in line]
    assert said == ["d /var/mail 0700 0 0 -", "L /var/spool/mail - - - - /elsewhere"]
    warnings, read = made(
        tmp_path, "debianutils", Item("./etc/shells", b"own"), Item("./usr/bin/which", b"own")
    )
    assert not warnings
    warnings, _ = made(tmp_path, "libc-bin", Item("./etc/nsswitch.conf", b"own"))
    assert not warnings
    assert read.contents["share/factory/etc/shells"] == b"own"


def test_a_recipe_that_does_not_fit_is_said(tmp_path: Path) -> None:
    warnings, read = made(tmp_path, "less", Item("./usr/bin/x", b""))
    assert [str(notice) for notice in warnings] == [
        "moss's recipe for less does not fit: the package has no file /usr/bin/less"
    ]
    assert list(read.entries) == ["bin/x"]


def test_accounts_are_lines_of_sysusers(tmp_path: Path) -> None:
    _, read = made(tmp_path, "dbus")
    assert read.contents["lib/sysusers.d/moss-dbus.conf"].startswith(b"u messagebus - ")
    _, read = made(tmp_path, "udev")
    assert read.contents["lib/sysusers.d/moss-udev.conf"].splitlines()[1] == b"g kvm -"


def test_files_outside_etc_and_var_are_copied_from_usr_itself(tmp_path: Path) -> None:
    _, read = made(tmp_path, "base-files", Item("./usr/share/base-files/dot.bashrc", b"# bash\n"))
    assert "C /root/.bashrc - - - - /usr/share/base-files/dot.bashrc" in read.lines("base-files")
    assert "d /var/mail 2775 0 8 -" in read.lines("base-files")


@pytest.mark.parametrize("package", sorted(RECIPES))
def test_recipes_name_paths_that_can_be(package: str) -> None:
    for recipe in RECIPES[package]:
        if isinstance(recipe, Copy):
            assert recipe.source.startswith("/usr/")
        if isinstance(recipe, Alternative):
            assert recipe.link.startswith(("/usr/bin/", "/usr/sbin/"))
            assert recipe.path.startswith(("/usr/bin/", "/usr/sbin/"))
            assert recipe.link != recipe.path


def test_a_trigger_comes_with_the_package_whose_program_it_runs(tmp_path: Path) -> None:
    _, read = made(tmp_path, "libc-bin", Item("./usr/share/libc-bin/nsswitch.conf", b"passwd: files\n"))
    trigger = read_trigger(read.contents["share/moss/triggers/sys.d/ldconfig.yaml"], "ldconfig.yaml", Scope.SYSTEM)
    assert trigger.name == "ldconfig"


def test_packages_that_bring_one_trigger_can_be_in_one_generation(tmp_path: Path) -> None:
    path = "share/moss/triggers/tx.d/initrd.yaml"
    entries = {made(tmp_path, package)[1].entries[path] for package in ("dracut-core", "initramfs-tools-core")}
    assert len(entries) == 1


def test_a_package_that_ships_the_trigger_itself_keeps_its_own(tmp_path: Path) -> None:
    own = Item("./usr/share/moss/triggers/tx.d/depmod.yaml", b"name: depmod\n")
    _, read = made(tmp_path, "kmod", own)
    assert read.contents["share/moss/triggers/tx.d/depmod.yaml"] == b"name: depmod\n"


def test_every_trigger_for_debian_comes_with_some_package() -> None:
    top = Path(__file__).parents[2] / "fixtures/triggers/debian"
    brought = {one.file for recipes in RECIPES.values() for one in recipes if isinstance(one, TriggerFile)}
    assert brought == {str(path.relative_to(top)) for path in top.rglob("*.yaml")}


def test_scripts_that_were_not_run_are_named_with_what_they_seem_to_do(tmp_path: Path) -> None:
    postinst = """#!/bin/sh
# adduser nobody-mentions-comments
update-alternatives \\
    --install /usr/bin/editor editor /usr/bin/tool 5
setcap cap_net_raw+ep /usr/bin/tool
"""
    deb = Deb(control={"postinst": postinst, "prerm": "#!/bin/sh\nexit 0\n"})
    done, _ = converted(deb, tmp_path)
    assert [str(notice) for notice in done.warnings] == [
        "maintainer scripts that were not run: "
        "postinst (registers alternatives: /usr/bin/editor; sets file capabilities), prerm"
    ]


def test_triggers_without_effect_are_named(tmp_path: Path) -> None:
    deb = Deb(
        control={"triggers": "# comment\nactivate-noawait ldconfig\ninterest-noawait /usr/share/fonts\n"}
    )
    done, _ = converted(deb, tmp_path)
    assert [str(notice) for notice in done.warnings] == [
        "dpkg triggers without effect here: interest-noawait /usr/share/fonts"
    ]
