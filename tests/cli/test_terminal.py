"""On a terminal: the question, the answer, colour, width; and what streams that fail do."""

import io
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from moss.cli.progress import Bar, bar_line
from moss.cli.session import Session
from moss.cli.settings import Settings
from moss.cli.text import Page
from tests.cli.conftest import Moss, Place
from tests.cli.terminals import command, environment, on_a_terminal

QUESTION = "Carry this out? [y/N] "


def root(place: Place) -> list[str]:
    return ["-D", str(place.root)]


@pytest.mark.parametrize("answer", ["y\n", "yes\n", "Y\n"])
def test_yes_carries_it_out(answer: str, place: Place) -> None:
    seen = on_a_terminal([*root(place), "update"], answers=[(QUESTION, answer)])
    assert seen.exit_code == 0
    assert seen.plain.startswith("Change    hello 1.0-1 → 1.1-1  newer version\n")
    assert "Generation 2 is active" in seen.plain


@pytest.mark.parametrize("answer", ["n\n", "\n", "perhaps\n", "\x04"])
def test_anything_else_changes_nothing(answer: str, place: Place, moss: Moss) -> None:
    seen = on_a_terminal([*root(place), "update"], answers=[(QUESTION, answer)])
    assert seen.exit_code == 1
    assert "nothing was changed" in seen.plain
    assert moss(*root(place), "lu", "--check").exit_code == 100


def test_ctrl_c_at_the_question_changes_nothing_and_says_so(place: Place, moss: Moss) -> None:
    seen = on_a_terminal([*root(place), "update"], answers=[(QUESTION, "\x03")])
    assert seen.exit_code == 130
    assert "interrupted: nothing was changed" in seen.plain
    assert "Traceback" not in seen.plain
    assert moss(*root(place), "lu", "--check").exit_code == 100


def test_yes_beforehand_asks_nothing(place: Place) -> None:
    seen = on_a_terminal([*root(place), "update", "-y"])
    assert seen.exit_code == 0 and QUESTION not in seen.plain


def test_json_asks_nothing_even_on_a_terminal(place: Place) -> None:
    seen = on_a_terminal([*root(place), "update", "--json"])
    assert seen.exit_code == 2
    assert json.loads(seen.screen)["error"]["code"] == "NEEDS_CONFIRMATION"


def test_a_warning_is_said_once() -> None:
    out, err = io.StringIO(), io.StringIO()
    session = Session(Settings(), stdin=io.StringIO(), stdout=out, stderr=err)
    for _ in range(3):
        session.warning("owners are recorded, not applied")
    assert err.getvalue() == "warning: owners are recorded, not applied\n"
    assert session.warnings == ["owners are recorded, not applied"]


def test_colour_is_for_terminals(place: Place, moss: Moss) -> None:
    dry = [*root(place), "update", "-n"]
    assert "\x1b[33mChange\x1b[0m" in on_a_terminal(dry).screen
    assert "\x1b[" not in on_a_terminal(dry, NO_COLOR="1").screen
    assert "\x1b[" not in on_a_terminal(dry, TERM="dumb").screen
    assert "\x1b[" not in on_a_terminal([*dry, "--color", "never"]).screen
    assert "\x1b[" not in moss(*dry).out
    assert "\x1b[33mChange\x1b[0m" in moss(*dry, "--color=always").out


def test_lines_fit_the_terminal(place: Place) -> None:
    for columns in (60, 80, 120):
        seen = on_a_terminal([*root(place), "state", "list"], columns=columns)
        assert max(map(len, seen.plain.splitlines())) <= columns


def test_long_work_has_a_bar_that_goes_away() -> None:
    times = iter([0.0, 0.0, 0.1, 0.5, 0.52, 9.0])
    written: list[str] = []

    class Screen:
        def write(self, text: str) -> None:
            written.append(text)

        def flush(self) -> None:
            pass

    bar = Bar(Screen(), lambda: 100, lambda: next(times))  # type: ignore[arg-type]
    bar.stage("unpacking 12 packages")
    for done in (0, 50, 60, 100):
        bar.progress(done << 20, 100 << 20, "bytes")
    bar.clear()
    assert len(written) == 3, "nothing in the first moments, nor sooner than eyes can follow"
    assert "50.0 MiB of 100 MiB  100 MiB/s  1.0 s left" in written[0]
    assert written[-1] == "\r\x1b[K"


def test_a_bar_says_how_much_how_fast_and_how_long() -> None:
    assert bar_line("making", 3, 12, "packages", 2.0) == (
        "making  ━━━━━━──────────────────  3 of 12 packages  6.0 s left"
    )
    assert bar_line("making", 12, 12, "packages", 2.0).endswith("12 of 12 packages")
    resumed = bar_line("fetching", 3 << 20, 5 << 20, "bytes", 1.0, there=1 << 20)
    assert resumed.endswith("2.0 MiB/s  1.0 s left"), "what was there before has no part in the rate"
    assert bar_line("making", 0, 0, "bytes", 0.0) == "making  ━━━━━━━━━━━━━━━━━━━━━━━━  0 bytes of 0 bytes"


def test_a_bar_is_shorter_where_the_screen_is_narrow() -> None:
    for columns in (79, 70, 66):
        line = bar_line("converting 128 packages", 26, 128, "packages", 5.0, 0, columns)
        assert len(line) <= columns and line.endswith("26 of 128 packages  20.0 s left"), line
        assert "━" in line and "─" in line


def test_a_warning_fits_the_screen() -> None:
    err = io.StringIO()
    session = Session(Settings(), stdin=io.StringIO(), stdout=io.StringIO(), stderr=err)
    text = "word " * 40
    session.warning(text)
    assert err.getvalue().count("\n") == 1, "in a file it is one line"
    session._page_of = lambda _: Page(60)  # type: ignore[method-assign]
    session.warning(text + "again")
    lines = err.getvalue().splitlines()[1:]
    assert len(lines) > 3 and all(len(line) <= 60 and line.startswith(" " * 9) for line in lines[1:])


def test_a_reader_that_goes_away_stops_nothing(place: Place) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        command(*root(place), "update", "-y"),
        stdout=writing,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    os.close(writing)
    assert (process.returncode, process.stderr) == (0, "")
    listed = subprocess.run(command(*root(place), "li"), capture_output=True, text=True, env=environment())
    assert "hello     1.1-1" in listed.stdout


def test_an_answer_that_cannot_be_written_is_a_failure() -> None:
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            command("--version"), stdout=full, stderr=subprocess.PIPE, text=True, env=environment()
        )
        assert process.returncode == 1
        assert process.stderr == "error: the answer could not be written: No space left on device\n"
        process = subprocess.run(command("li"), stdout=full, stderr=full, env=environment())
        assert process.returncode != 0


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(closed: str, place: Place) -> None:
    words = " ".join(command(*root(place), "update", "-y"))
    assert (
        subprocess.run(["sh", "-c", f"{words} {closed}"], env=environment(), capture_output=True).returncode
        == 0
    )


def test_ctrl_c_before_the_point_of_no_return_changes_nothing(place: Place, moss: Moss) -> None:
    """The lock is held by someone else, so moss is waiting when the signal comes."""
    import fcntl

    with open(place.root / ".moss" / "lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            command(*root(place), "update", "-y", "-v", "--wait", "60"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(PYTHONUNBUFFERED="1"),
        )
        assert process.stderr is not None
        assert "waiting for" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted: nothing was changed" in err
    assert moss(*root(place), "lu", "--check").exit_code == 100


def test_ctrl_c_is_told_in_json_too(place: Place) -> None:
    import fcntl

    with open(place.root / ".moss" / "lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            command(*root(place), "update", "-y", "--wait", "60", "--json"),
            stdout=subprocess.PIPE,
            env=environment(),
        )
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out)["error"]["code"] == "INTERRUPTED"


def test_a_log_gets_no_bars(place: Place, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with open(log, "w") as target:
        subprocess.run(
            command(*root(place), "update", "-y", "-v"),
            stdout=target,
            stderr=target,
            env=environment(),
            check=True,
        )
    text = log.read_text(encoding="utf-8")
    assert "\r" not in text and "\x1b" not in text and "━" not in text
    assert "choosing packages" in text
