"""What SQLite says of a full or failing disk is told in the user's words, and nothing is half done."""

from pathlib import Path

import apsw
import pytest

from moss.db import generations, journal
from moss.errors import Locked, MossError, NoSpace
from moss.operations.system import open_to_change


@pytest.mark.parametrize(
    ("fault", "told"), [(apsw.FullError, NoSpace), (apsw.IOError, MossError), (apsw.BusyError, Locked)]
)
def test_a_fault_of_the_record_is_a_message_with_a_remedy(
    tmp_path: Path, fault: type[Exception], told: type[MossError]
) -> None:
    with pytest.raises(told, match=r"moss\.db") as caught, open_to_change(str(tmp_path), command="moss test"):
        raise fault("as the disk says")
    assert caught.value.remedies


def test_a_fault_of_the_world_that_nobody_caught_is_told_too(tmp_path: Path) -> None:
    with (
        pytest.raises(MossError, match=r"carry out 'moss test'.*there"),
        open_to_change(str(tmp_path), command="moss test"),
    ):
        raise OSError(24, "Too many open files", "there")


def test_a_transaction_that_sqlite_rolled_back_itself_tells_the_first_fault(tmp_path: Path) -> None:
    with open_to_change(str(tmp_path), command="moss test") as system:
        page = int(system.record.connection.pragma("page_count"))
        system.record.connection.pragma("max_page_count", page)
        with pytest.raises(apsw.FullError), system.record.transaction():
            system.record.connection.execute("CREATE TABLE big (x)")
            system.record.connection.execute("INSERT INTO big VALUES (zeroblob(100000))")
        assert not system.record.connection.in_transaction
        system.record.connection.pragma("max_page_count", 1 << 30)
        journal.begin(system.record, operation="x", command="x", from_generation=None, started_at=1)
        assert journal.under_way(system.record) is not None
        assert generations.active(system.record) is None
