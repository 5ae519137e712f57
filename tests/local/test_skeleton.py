import os

import pytest

from moss.effects import Effects
from moss.errors import MossError
from moss.local.skeleton import apply_skeleton, propose_skeleton


def make(system) -> None:
    skeleton = propose_skeleton(str(system.root), str(system.usr))
    apply_skeleton(skeleton, str(system.root), Effects(apply_owners=system.owners))


def test_an_empty_root_gets_links_and_directories_with_exact_modes(system):
    before = os.umask(0o077)
    try:
        make(system)
    finally:
        os.umask(before)
    assert {name: os.readlink(system.root / name) for name in ("bin", "sbin", "lib", "lib64")} == {
        "bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64",
    }
    modes = {path.name: system.mode(path.name) for path in system.root.iterdir() if not path.is_symlink()}
    assert modes == {
        **dict.fromkeys(("boot", "dev", "efi", "etc", "home", "media", "mnt", "opt"), 0o755),
        **dict.fromkeys(("run", "srv", "var"), 0o755),
        "proc": 0o555, "sys": 0o555, "root": 0o700, "tmp": 0o1777,
    }
    assert system.text("etc/machine-id") == "uninitialized\n"
    assert system.mode("etc/machine-id") == 0o444


def test_a_root_that_is_not_there_yet_is_made(system):
    system.root.rmdir()
    make(system)
    assert (system.root / "etc").is_dir()


def test_links_for_other_word_sizes_are_made_where_the_generation_has_content_for_them(system):
    (system.usr / "lib32").mkdir()
    make(system)
    assert os.readlink(system.root / "lib32") == "usr/lib32"
    assert not (system.root / "libx32").is_symlink()


def test_what_is_right_already_stays_and_nothing_is_proposed_twice(system):
    system.have("etc/mine", "kept")
    (system.root / "etc").chmod(0o700)
    (system.root / "bin").symlink_to("/usr/bin")
    (system.root / "lib").symlink_to("./usr/lib/")
    system.have("etc/machine-id", "0123\n")
    make(system)
    assert (system.text("etc/mine"), system.mode("etc")) == ("kept", 0o700)
    assert os.readlink(system.root / "bin") == "/usr/bin"
    assert system.text("etc/machine-id") == "0123\n"
    assert propose_skeleton(str(system.root), str(system.usr)).is_empty


def test_everything_that_stands_in_the_way_is_named_and_nothing_changed(system):
    system.have("bin/sh")
    (system.root / "lib").symlink_to("elsewhere")
    system.have("etc", "a file")
    os.mkfifo(system.root / "tmp")
    before = system.listing()
    with pytest.raises(MossError) as caught:
        make(system)
    told = " ".join((caught.value.message, *caught.value.because))
    for name in (
        "/bin is a directory",
        "/lib is a symlink to elsewhere",
        "/etc is a file",
        "/tmp is a device",
    ):
        assert name in told
    assert caught.value.remedies
    assert system.listing() == before
