"""What all tests share: the rule about skipped tests, and where material outside the project lies."""

import os
from pathlib import Path

import pytest

from tests.run import heed_signals

heed_signals()

PROJECT = Path(__file__).resolve().parents[1]
SKIP_LIST = Path(__file__).with_name("allowed-skips.txt")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--strict-skips",
        action="store_true",
        help="fail when a test is skipped that tests/allowed-skips.txt does not list (CI says this)",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests run when they are asked for, MOSS_SLOW=1; those that boot machines with MOSS_BOOTS=1."""
    unasked = [mark for mark, name in (("slow", "MOSS_SLOW"), ("boots", "MOSS_BOOTS")) if not os.environ.get(name)]
    kept = [item for item in items if not any(item.get_closest_marker(mark) for mark in unasked)]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept
    # What takes minutes begins first, so that no core waits for it at the end.
    items.sort(key=lambda item: -max((mark.kwargs.get("minutes", 0) for mark in item.iter_markers()), default=0))


def allowed_skips() -> dict[str, str]:
    """Test id (or the beginning of one) to the reason why CI may skip it."""
    allowed: dict[str, str] = {}
    for line in SKIP_LIST.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            test, _, reason = line.partition("  ")
            assert reason.strip(), f"{SKIP_LIST.name}: {test} gives no reason"
            allowed[test] = reason.strip()
    return allowed


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not session.config.getoption("--strict-skips"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    allowed = allowed_skips()
    skipped = {report.nodeid: str(report.longrepr) for report in reporter.stats.get("skipped", ())}
    unexpected = {test: why for test, why in skipped.items() if not test.startswith(tuple(allowed))}
    if unexpected:
        for test, why in sorted(unexpected.items()):
            reporter.write_line(f"skipped, and not in {SKIP_LIST.name}: {test}: {why}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
