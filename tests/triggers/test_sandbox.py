"""Real sandboxes with a real shell in them: what a trigger can do, what it cannot, and what is kept of it."""

import os
import selectors
import shutil
import signal
import stat
import time
from functools import partial
from pathlib import Path

import pytest

from moss.digest import content_digest
from moss.errors import TriggerFailed
from moss.layout import directory, regular, symlink
from moss.triggers.capture import Captured, capture
from moss.triggers.private_copy import PrivateCopy
from moss.triggers.running import ENVIRONMENT, Ended, Job, run_all
from moss.triggers.sandbox import Sandbox, enter
from moss.triggers.values import Delete, Isolation, Run
from moss.xattrs import attributes_in
from solver.values import replace
from tests.triggers.sandboxes import caught, run, sandbox, shell
from tests.triggers.shells import LONG, needs_busybox, sleeps_on, wait_until

pytestmark = needs_busybox


def contents(tree: Path) -> dict[str, tuple[int, bytes | str | None]]:
    return {
        str(path.relative_to(tree)): (
            path.lstat().st_ino,
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None,
        )
        for path in sorted(tree.rglob("*"))
    }


def test_what_is_written_is_captured_and_the_tree_stays(tree: Path) -> None:
    before, place = contents(tree), sandbox(tree)
    end = run(
        place,
        shell(
            "cd /usr/share; umask 077; echo new > new; busybox cp new copy; busybox chmod 4755 new;"
            " busybox ln -s new link; busybox mkdir -p d/e;"
            " echo a2 > old/a; busybox touch old/b"
        ),
    )
    assert end.failure is None, end
    assert contents(tree) == before, "nothing was written through"
    found = caught(place)
    digest = content_digest(b"new\n")
    assert set(found.entries) == {
        regular("share/new", digest, 0o4755),
        regular("share/copy", digest, 0o600),
        symlink("share/link", "new"),
        directory("share/d", 0o700),
        directory("share/d/e", 0o700),
        regular("share/old/a", content_digest(b"a2\n")),
    }, "a file that was only touched is no change"
    assert found.removed == ()
    assert {digest: Path(path).read_bytes() for digest, path in found.contents} == {
        digest: b"new\n", content_digest(b"a2\n"): b"a2\n",
    }  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sets capabilities")
def test_attributes_of_what_is_changed_are_captured(tree: Path) -> None:
    kept = {"user.note": b"mine", "security.capability": bytes.fromhex("0100000200200000000000000000000000000000")}
    for name, value in kept.items():
        os.setxattr(tree / "share/old/a", name, value)
    place = sandbox(tree)
    assert run(place, shell("cd /usr/share/old; busybox chmod 711 a; busybox cp b c")).failure is None
    entries = {entry.path: entry for entry in caught(place).entries}
    assert set(entries) == {"share/old/a", "share/old/c"} and entries["share/old/a"].mode & 0o7777 == 0o711
    assert attributes_in(entries["share/old/a"].xattrs) == kept and not entries["share/old/c"].xattrs


def test_what_is_removed_is_told(tree: Path) -> None:
    place = sandbox(tree)
    factory = "/usr/share/factory"
    end = run(place, shell(f"busybox rm -r /usr/share/old/a {factory}; busybox mkdir {factory}"))
    assert end.failure is None, end
    assert caught(place).removed == ("share/factory/etc", "share/factory/etc/passwd", "share/old/a")
    gone = sandbox(tree, "two", [place])
    assert run(gone, shell("test ! -e /usr/share/old/a && busybox rm -r /usr/share/old")).failure is None
    assert caught(gone).removed == ("share/old", "share/old/b"), "of what was there for it"
    again = sandbox(tree, "three", [gone, place])
    assert run(again, shell("busybox mkdir /usr/share/old && echo c > /usr/share/old/c")).failure is None
    assert [entry.path for entry in caught(again).entries] == ["share/old", "share/old/c"]


def test_deleting_goes_by_patterns(tree: Path) -> None:
    place = sandbox(tree)
    (tree / "share/old/x y*").write_text("")
    end = run(place, Delete(("/usr/share/$(d)/?", "/usr/share/none/**"), (("d", "old"),)))
    assert end.failure is None, end
    assert caught(place).removed == ("share/old/a", "share/old/b")
    whole = sandbox(tree, "two")
    assert run(whole, Delete(("/usr/share/old", "/usr/share/old/**"))).failure is None
    assert caught(whole).removed == ("share/old", "share/old/a", "share/old/b", "share/old/x y*")


def test_a_directory_that_becomes_a_file_is_gone_with_all_that_was_in_it(tree: Path) -> None:
    place = sandbox(tree)
    end = run(place, shell("cd /usr/share; busybox rm -r old; echo x > old; busybox rm .././.stateID 2>&1; true"))
    assert end.failure is None, end
    found = caught(place)
    assert found.removed == ("share/old/a", "share/old/b")
    assert [entry.path for entry in found.entries] == ["share/old"]
    assert [entry.kind.name for entry in found.layout] == ["REGULAR", "NOTHING", "NOTHING"]
    (tree / ".stateID").write_text("3\n")
    own = sandbox(tree, "two")
    assert run(own, shell("busybox rm /usr/.stateID")).failure is None
    with pytest.raises(TriggerFailed, match=r"removed .* which no generation can have: it is moss's own"):
        caught(own)


def test_one_after_another_until_one_fails(tree: Path) -> None:
    place = sandbox(tree)
    first, last = shell("echo first > /usr/one; echo said; echo aside >&2"), shell("echo > /usr/two")
    end = run(place, first, shell("exit 3"), last)
    assert end.failure == "/usr/bin/sh -c exit 3 ended with exit code 3"
    assert end.output.splitlines() == ["said", "aside"]
    assert [entry.path for entry in caught(place).entries] == ["one"]
    missing = run(sandbox(tree, "two"), Run("/usr/bin/nobody"))
    assert missing.failure == "/usr/bin/nobody cannot be run: No such file or directory"
    killed = run(sandbox(tree, "three"), shell("kill -9 $$"))
    assert killed.failure is not None and "signal 9" in killed.failure


REACHES = """
cd /
test ! -e {host}/secret || echo sees the host
test $(busybox ls /proc | busybox grep -c '^[0-9]*$') -lt 6 || echo sees processes
busybox ip link 2>/dev/null | busybox grep -v -e lo: -e loopback | busybox grep . && echo sees the network
busybox mknod /usr/disk b 8 0 2>/dev/null && echo makes devices
busybox mount -t tmpfs x /tmp 2>/dev/null && echo mounts
busybox chroot /tmp /x 2>&1 | busybox grep -q 'not permitted' || echo leaves its root
test -w /dev/null && test -r /dev/urandom && test -w /tmp && test ! -e /dev/mem || echo lacks what it needs
test "$(busybox id -u)" = 0 || echo is not root
test -r /etc/passwd && echo changed > /etc/passwd || echo has no etc
test -e /proc/self/status || echo has no proc
busybox env | busybox grep -v -e PWD= -e SHLVL= | busybox sort
"""


def test_what_it_cannot_reach(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    place = sandbox(tree)
    end = run(place, shell(REACHES.format(host=tmp_path)))
    assert end.failure is None, end
    assert end.output.split() == [f"{name}={text}" for name, text in sorted(ENVIRONMENT.items())], end.output
    assert caught(place) == Captured((), (), ())


@pytest.mark.parametrize("isolation", [Isolation.OVERLAY, Isolation.COPY, Isolation.CHROOT])
@pytest.mark.parametrize("link", ["share/factory/etc", "share/factory"])
def test_no_link_in_the_tree_brings_the_systems_files_in(
    tree: Path, tmp_path: Path, isolation: Isolation, link: str
) -> None:
    if isolation is Isolation.CHROOT and os.geteuid() != 0:
        pytest.skip("only root can change the root of a process")
    secret = tmp_path / "outside" / "share/factory/etc".removeprefix(link).lstrip("/") / "secret"
    secret.parent.mkdir(parents=True)
    secret.write_text("")
    shutil.rmtree(tree / link)
    (tree / link).symlink_to(tmp_path / "outside")
    place = sandbox(tree)
    if isolation is not Isolation.OVERLAY:
        (tree.parent / "copy").mkdir()
        PrivateCopy(str(tree), str(tree.parent / "copy/usr"))
        place = replace(place, isolation=isolation, copy="copy/usr")
    assert run(place, shell("test -d /etc && test ! -e /etc/secret")).failure is None


def test_a_time_that_is_up_ends_all_of_it(tree: Path) -> None:
    begun = time.monotonic()
    end = run(sandbox(tree), shell(f"busybox sleep {LONG} & busybox sleep {LONG}"), timeout=0.5)
    assert end.failure == "it took longer than 0.5 s"
    assert time.monotonic() - begun < 10
    wait_until(lambda: not sleeps_on())


def test_it_ends_with_moss(tree: Path) -> None:
    place = sandbox(tree)
    moss = os.fork()
    if moss == 0:
        try:
            for fd in range(3):  # what might be left holds nobody's output
                os.dup2(os.open(os.devnull, os.O_RDWR), fd)
            run(place, shell(f"busybox sleep {LONG}"))
        finally:
            os._exit(0)
    wait_until(sleeps_on)
    os.kill(moss, signal.SIGKILL)
    os.waitpid(moss, 0)
    wait_until(lambda: not sleeps_on())


def test_what_it_leaves_running_does_not_keep_anybody_waiting(tree: Path) -> None:
    begun = time.monotonic()
    daemon = f"(busybox setsid busybox sleep {LONG} &) </dev/null >/dev/null 2>&1"
    assert run(sandbox(tree), shell(f"busybox sleep {LONG} & {daemon}; echo done")).failure is None
    assert time.monotonic() - begun < 10
    assert not sleeps_on()


@pytest.mark.parametrize("backwards", [False, True])
def test_who_prints_and_ends_while_nobody_listens_is_heard_to_the_end(
    tree: Path, monkeypatch: pytest.MonkeyPatch, backwards: bool
) -> None:
    class InOrder(selectors.DefaultSelector):
        """The kernel tells of what has come in any order."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            return sorted(super().select(timeout), key=lambda one: one[0].fd, reverse=backwards)

    monkeypatch.setattr(selectors, "DefaultSelector", InOrder)
    places = {name: sandbox(tree, name) for name in "abc"}
    texts = {"a": "true", "b": "busybox sleep 0.2; echo last words", "c": "busybox sleep 0.2"}
    jobs = {name: Job(name, (shell(text),), partial(enter, places[name]), 20.0) for name, text in texts.items()}
    ends: dict[str, Ended] = {}

    def ended(end: Ended) -> None:
        ends[end.name] = end
        time.sleep(0.6 if end.name == "a" else 0)

    run_all(list("abc"), dict.fromkeys("abc", frozenset()), jobs.__getitem__, ended, 3)
    assert {name: (end.failure, end.output) for name, end in ends.items()} == {
        "a": (None, ""), "b": (None, "last words\n"), "c": (None, ""),
    }  # fmt: skip


def test_much_output_keeps_its_end(tree: Path) -> None:
    end = run(sandbox(tree), shell("i=0; while test $i -lt 20000; do echo line $i; i=$((i+1)); done"))
    assert end.failure is None
    assert end.output.endswith("line 19999\n") and len(end.output) <= 64 << 10


def test_side_by_side_and_in_order(tree: Path) -> None:
    places: dict[str, Sandbox] = {}
    ends: list[str] = []
    waiting = {"a": frozenset[str](), "b": frozenset[str](), "c": frozenset({"a", "b"}), "d": frozenset[str]()}

    def prepare(name: str) -> Job | None:
        if name == "d":
            return None
        before = [places[one] for one in ("b", "a")] if name == "c" else []
        places[name] = sandbox(tree, name, before)
        text = "test \"$(busybox cat /usr/a /usr/b)\" = \"$(echo a; echo b)\" && echo c > /usr/c"
        wait = f"echo {name} > /usr/{name}; busybox sleep 0.4"
        return Job(name, (shell(text if name == "c" else wait),), partial(enter, places[name]), 20.0)

    def ended(end: Ended) -> None:
        assert end.failure is None, end
        ends.append(end.name)

    begun = time.monotonic()
    run_all(["a", "b", "c", "d"], waiting, prepare, ended, 4)
    assert ends[2:] == ["c"] and set(ends) == {"a", "b", "c"}
    assert time.monotonic() - begun < 0.8 + 2
    assert [entry.path for entry in caught(places["c"]).entries] == ["c"]
    assert stat.S_IMODE(os.stat(tree).st_mode) == 0o755


def test_who_raises_ends_the_others(tree: Path) -> None:
    places = {name: sandbox(tree, name) for name in ("a", "b")}

    def ended(_: Ended) -> None:
        raise KeyboardInterrupt

    texts = {"a": "true", "b": "busybox sleep 59"}
    jobs = {name: Job(name, (shell(text),), partial(enter, places[name]), 90.0) for name, text in texts.items()}
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_all(["a", "b"], dict.fromkeys("ab", frozenset()), jobs.__getitem__, ended, 2)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("busybox mkfifo /usr/pipe", "a device, a pipe or a socket"),
        ("echo 9 > /usr/.stateID", "moss's own"),
        ("echo > \"/usr/$(busybox printf 'a\\nb')\"", "control character"),
        ("echo > \"/usr/$(busybox printf 'a\\377')\"", "not UTF-8"),
    ],
)
def test_what_no_generation_can_have(tree: Path, text: str, words: str) -> None:
    place = sandbox(tree)
    assert run(place, shell(text)).failure is None
    with pytest.raises(TriggerFailed) as fault:
        caught(place)
    assert words in fault.value.message and "\n" not in fault.value.message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_what_says_that_something_is_gone_is_each_kind_s_own(tree: Path) -> None:
    upper = tree.parent / "upper/share/old"
    upper.mkdir(parents=True)
    (upper / "a").symlink_to("gone-word")
    assert [entry.path for entry in capture(str(upper.parents[1]), [str(tree)], "t").entries] == ["share/old/a"]
    assert capture(str(upper.parents[1]), [str(tree)], "t", gone="gone-word").removed == ("share/old/a",)
    os.mknod(upper / "b", stat.S_IFCHR, 0)
    assert capture(str(upper.parents[1]), [str(tree)], "t").removed == ("share/old/b",)
    with pytest.raises(TriggerFailed, match="a device"):
        capture(str(upper.parents[1]), [str(tree)], "t", gone="gone-word")


def test_where_no_sandbox_can_be_made(tree: Path) -> None:
    place = sandbox(tree)
    shutil.rmtree(os.path.join(place.base, place.upper))
    ends: list[Ended] = []
    run_all(["t"], {"t": frozenset()}, lambda _: Job("t", (shell("true"),), partial(enter, place), 5.0), ends.append, 1)
    assert ends[0].unable and ends[0].failure is not None and "cannot be run where it must" in ends[0].failure
