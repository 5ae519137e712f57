"""What runs in the initrd: each shell that is found there, each way to exchange, a cut after each step."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from moss.operations.booting import write_hooks
from tests.boot.menus import Machine, Shop, shop

SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]
if not os.environ.get("MOSS_SLOW"):
    SHELLS = SHELLS[:1]
METHODS = ("exchange", "rename")
WAYS = [pytest.param((shell, method), id=f"{shell[0]}-{method}") for shell in SHELLS for method in METHODS]

pytestmark = [
    pytest.mark.slow_too,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts file systems, which needs root"),
]


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return shop(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hooks") / "usr"
    write_hooks(str(folder))
    return folder


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, goods: Shop) -> Path:
    """Generation 3 is active, 1 and 2 are there too."""
    place = tmp_path_factory.mktemp("machine")
    made = Machine(place, goods)
    made.begin()
    for labels in (("tool-1",), ("tool-2",), ("tool-2", "loader-252")):
        made.make("base-1", "linux-6.1", *labels)
    return place


@pytest.fixture
def machine(template: Path, tmp_path: Path, goods: Shop) -> Machine:
    """A copy of that, to be booted."""
    for name in ("root", "boot"):
        shutil.copytree(template / name, tmp_path / name, symlinks=True)
    made = Machine(tmp_path, goods)
    made.begin()
    return made


class Boot:
    """A boot of a machine's root, as far as the initrd goes."""

    def __init__(self, machine: Machine, hooks: Path, shell: list[str], method: str) -> None:
        self.machine, self.hooks, self.shell, self.method = machine, hooks, shell, method
        self.path = machine.root.parent / "bin"
        self.path.mkdir(exist_ok=True)
        for name in ("mv", "mkdir", "rmdir", "mount", "touch", "sync"):
            self.put(name, f'exec {shutil.which(name)} "$@"')
        if method == "exchange":
            shutil.copy(hooks / "lib/moss/moss-exchange", self.path / "moss-exchange")

    def put(self, name: str, line: str) -> None:
        (self.path / name).write_text(f"#!/bin/sh\n{line}\n")
        (self.path / name).chmod(0o755)

    def cut_after(self, steps: int) -> None:
        """Every program works `steps` times in all, then the power is gone."""
        count = self.path / "count"
        count.write_text(f"{steps}\n")
        for program in ("mv", "mkdir", "rmdir", "moss-exchange"):
            if not (self.path / program).exists():
                continue
            real = shutil.which(program) or str(self.hooks / "lib/moss" / program)
            if program == "moss-exchange":
                real = str(self.hooks / "lib/moss/moss-exchange")
            cut = f'read -r left <{count}; [ "$left" -gt 0 ] || {{ kill -9 $PPID; exit 9; }}'
            self.put(program, f'{cut}; echo $((left - 1)) >{count}; exec {real} "$@"')

    def go(self, words: str) -> subprocess.CompletedProcess[str]:
        line = self.machine.root.parent / "cmdline"
        method = "" if self.method == "exchange" else " moss.method=rename"
        line.write_text(f"root=UUID=1 quiet{method} {words} ro\n")
        command = [shutil.which(self.shell[0]) or "", *self.shell[1:], str(self.hooks / "lib/moss/moss-fstx")]
        return subprocess.run(
            [*command, str(self.machine.root)],
            env={"PATH": str(self.path), "MOSS_CMDLINE": str(line)}, cwd=line.parent,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    @property
    def state(self) -> str:
        return (self.machine.root / "usr/.stateID").read_text().strip()

    @property
    def names(self) -> set[str]:
        """What the archived trees are called."""
        return set(os.listdir(self.machine.root / ".moss/root"))

    @property
    def tool(self) -> str:
        return (self.machine.root / "usr/bin/tool").read_text()


@pytest.fixture(params=WAYS)
def boot(request: pytest.FixtureRequest, machine: Machine, hooks: Path) -> Boot:
    shell, method = request.param
    if method == "exchange" and not (hooks / "lib/moss/moss-exchange").exists():
        pytest.skip("there is no C compiler")
    return Boot(machine, hooks, shell, method)


def test_the_generation_on_the_command_line_becomes_usr_and_moss_follows(boot: Boot) -> None:
    done = boot.go("moss.fstx=1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"moss-fstx: generation 3 -> 1 ({boot.method})\n"
    assert (boot.state, boot.tool) == ("1", "one")
    assert boot.names == {"2", "3"}
    with boot.machine.open() as system:
        assert system.active == 1
        assert system.recovered == "/usr is generation 1, the record said 3; the record follows"
    boot.machine.check()
    assert boot.machine.menu() == [1, 3, 2]
    assert boot.go("moss.fstx=2").returncode == 0
    assert boot.tool == "two"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("", 0, ""),
        ("moss.fstx=3", 0, "moss-fstx: generation 3 is /usr already\n"),
        ("moss.fstx=1 moss.fstx=3", 0, "moss-fstx: generation 3 is /usr already\n"),
        ("moss.fstx=77", 1, "moss-fstx: there is no generation 77; staying with generation 3\n"),
        ("moss.fstx=", 0, ""),
        ("moss.fstx=../../etc", 0, ""),
        ("moss.fstx=3 *", 0, "moss-fstx: generation 3 is /usr already\n"),
    ],
)
def test_where_there_is_nothing_to_switch_to_nothing_happens(boot: Boot, words: str, code: int, said: str) -> None:
    (boot.machine.root.parent / "moss.fstx=1").touch()  # what a shell could take `*` for
    done = boot.go(words)
    assert (done.returncode, done.stdout) == (code, said)
    assert boot.state == "3"
    with boot.machine.open() as system:
        assert system.recovered is None


# busybox runs its own mv whatever the PATH says: nothing can cut that short.
CUT = pytest.mark.parametrize("boot", [way for way in WAYS if "busybox" not in str(way.id)], indirect=True)


@CUT
@pytest.mark.parametrize("steps", range(7))
@pytest.mark.parametrize("next_entry", ["1", "3"])
def test_a_cut_between_two_steps_is_mended_by_the_next_boot(boot: Boot, steps: int, next_entry: str) -> None:
    boot.cut_after(steps)
    boot.go("moss.fstx=1")
    again = Boot(boot.machine, boot.hooks, boot.shell, boot.method)
    assert again.go(f"moss.fstx={next_entry}").returncode == 0
    assert again.state == next_entry
    with boot.machine.open() as system:
        assert str(system.active) == next_entry
    boot.machine.check()
    assert boot.names == {"1", "2", "3"} - {next_entry}


@CUT
@pytest.mark.parametrize("steps", range(2, 6))
def test_trees_are_found_by_what_they_say_after_a_cut_left_them_under_other_names(boot: Boot, steps: int) -> None:
    boot.cut_after(steps)
    boot.go("moss.fstx=1")
    again = Boot(boot.machine, boot.hooks, boot.shell, boot.method)
    assert again.go("moss.fstx=2").returncode == 0
    assert again.state == "2"
    with boot.machine.open() as system:
        assert system.active == 2
    boot.machine.check()
    assert boot.names == {"1", "3"}


def test_a_root_that_cannot_be_written_gets_the_tree_mounted_over_usr(boot: Boot) -> None:
    """Read-only media: a file system on a device that refuses to be written."""
    place = boot.machine.root.parent
    image, medium = place / "image", place / "medium"
    medium.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-d", boot.machine.root, image, "16M"], check=True)
    (place / "cmdline").write_text("moss.fstx=1\n")
    shell = " ".join([shutil.which(boot.shell[0]) or "", *boot.shell[1:]])
    script = (
        f"mount -o ro,loop {image} {medium} || exit 77; "
        f"PATH={boot.path} MOSS_CMDLINE={place}/cmdline {shell} {boot.hooks}/lib/moss/moss-fstx {medium}; "
        f"cat {medium}/usr/.stateID"
    )
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("this machine has no loop devices")
    assert f"{medium} cannot be written: generation 1 is mounted over /usr\n1\n" in done.stdout, done.stderr


def test_nothing_of_an_unfinished_generation_is_booted(boot: Boot) -> None:
    """The tree that the next generation is being made in says nothing until it is whole."""
    spare = boot.machine.root / ".moss/root/spare/usr"
    (spare / "bin").mkdir(parents=True)
    assert boot.go("moss.fstx=4").returncode == 1
    assert boot.state == "3"
