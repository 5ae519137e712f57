"""Opening the two databases, migrating the first, and transactions.

No cursor, row, or SQL text leaves `moss/db/`: the other modules here turn rows into values.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import apsw

from moss.errors import CorruptData, FormatTooNew, FormatTooOld, Locked, MossError, NoSpace, PermissionRefused
from moss.resources import schema_texts
from solver.values import value

APPLICATION_ID = 0x6D6F7373  # "moss"
REMEDY = "moss verify --fix"
"""What mends a damaged record, see moss/operations/rebuild.py."""
CACHE_VERSION = 5
"""Raised when schema/cache/repositories.sql changes; an older cache is made anew."""


@value
class Database:
    """An open database. `path` is empty for one that lives in memory."""

    connection: apsw.Connection
    path: str

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside becomes durable together, or not at all.

        May be nested; only the outermost one commits.
        """
        if self.connection.in_transaction:
            with self.connection:
                yield
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:  # whatever happened, also Ctrl-C: nothing of it may stay
            self._roll_back()
            raise
        try:
            self.connection.execute("COMMIT")
        except BaseException:  # as above
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self.connection.in_transaction:  # a full disk has rolled back already
            self.connection.execute("ROLLBACK")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see one state, whatever others commit meanwhile."""
        with self.connection:
            yield

    def leave_log(self) -> None:
        """Closing leaves in the log what was written, durable as it is there: whoever opens this next, which is
        soon, moves it into the database with what comes then."""
        self.connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)

    def close(self) -> None:
        self.connection.close()


def open_record(path: str, *, writable: bool) -> Database:
    """Open the record of a system; a new or older one is migrated when `writable`.

    A reader of a system that has none yet, or an older one, gets a database in memory with the
    same tables: reading never writes.
    """
    scripts = schema_texts("sql")
    if not writable and not os.path.exists(path):
        database = Database(_connected(":memory:", apsw.SQLITE_OPEN_READWRITE), "")
        _migrate(database, scripts)
        return database
    with told_in_words(path):
        database = _opened(path, writable)
        if writable:
            _migrate(database, scripts)
        elif _version(database) < len(scripts):
            copy = Database(_connected(":memory:", apsw.SQLITE_OPEN_READWRITE), "")
            with copy.connection.backup("main", database.connection, "main") as backup:
                backup.step()
            database.close()
            _migrate(copy, scripts)
            return copy
        _refuse_newer(database, len(scripts))
    return database


def open_repository_cache(path: str, *, writable: bool) -> Database:
    """Open the cache of what repositories offer; one of another version is replaced by an empty one."""
    (script,) = schema_texts("cache")
    if not os.path.exists(path) and not writable:
        database = Database(_connected(":memory:", apsw.SQLITE_OPEN_READWRITE), "")
        _run_script(database, script, CACHE_VERSION)
        return database
    with told_in_words(path, remedy="remove this cache and run: moss repo update"):
        database = _opened(path, writable)
        version = _version(database)
        if version == CACHE_VERSION:
            return database
        database.close()
        if not writable:
            return open_repository_cache(path + ".absent", writable=False)
        for name in (path, path + "-wal", path + "-shm"):
            if os.path.exists(name):
                os.unlink(name)
        database = _opened(path, writable=True)
        _run_script(database, script, CACHE_VERSION)
    return database


def _opened(path: str, writable: bool) -> Database:
    if writable:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        return Database(_connected(path, flags), path)
    directory = os.path.dirname(path)
    if os.access(directory, os.W_OK):
        return Database(_connected(path, apsw.SQLITE_OPEN_READONLY), path)
    # Read-only media: WAL needs a shared-memory file beside it unless nobody can write at all.
    from urllib.parse import quote  # 2 ms, for a rare case

    uri = f"file:{quote(path)}?immutable=1"
    return Database(_connected(uri, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI), path)


def _connected(name: str, flags: int) -> apsw.Connection:
    connection = apsw.Connection(name, flags=flags)
    connection.set_busy_timeout(10_000)
    if flags & apsw.SQLITE_OPEN_READWRITE:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # Pages go from the log into the database when it is closed, once, and not after every large commit.
        connection.execute("PRAGMA wal_autocheckpoint = 16384")
        # Who only looks comes to a page once or twice: new memory for each takes longer than to read it again.
        connection.execute("PRAGMA cache_size = -16384")
    connection.execute("PRAGMA temp_store = MEMORY")  # also what a statement keeps to undo itself
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _version(database: Database) -> int:
    version = database.connection.pragma("user_version")
    assert isinstance(version, int)
    return version


def _migrate(database: Database, scripts: Sequence[str]) -> None:
    """Run every script the database has not seen, all in one transaction."""
    if _version(database) >= len(scripts):
        return
    with database.transaction():
        done = _version(database)
        for number, script in enumerate(scripts[done:], done + 1):
            _run_script(database, script, number)
        database.connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _run_script(database: Database, script: str, version: int) -> None:
    with database.transaction():
        # apsw stops at the first row a statement returns; a list runs them all.
        list(database.connection.execute(script))
        database.connection.execute(f"PRAGMA user_version = {version}")


def _refuse_newer(database: Database, known: int) -> None:
    found = _version(database)
    if found > known:
        database.close()
        raise FormatTooNew(
            f"{database.path} was written by a newer moss (schema {found}, this one knows {known})",
            remedies=["use the newer moss on this system"],
        )


@contextmanager
def told_in_words(path: str, remedy: str = REMEDY) -> Iterator[None]:
    """SQLite's complaints about the file, in the user's words."""
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError) as fault:
        raise CorruptData(f"is not a sound database ({fault})", file=path, remedies=[remedy]) from fault
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as fault:
        raise PermissionRefused(
            f"{path} cannot be opened ({fault})", remedies=["run this as the owner of the system, usually root"]
        ) from fault
    except apsw.IOError as fault:
        raise MossError(
            f"{path} cannot be read or written ({fault})",
            remedies=["look at the kernel's messages: dmesg", "look whether there is room: df -h and df -i"],
        ) from fault
    except apsw.FullError as fault:
        raise NoSpace(
            f"{path} cannot grow: no space left on the file system",
            remedies=["moss state prune", "moss cache clean", "look with: df -h and df -i"],
        ) from fault
    except apsw.SQLError as fault:
        other = _other_form(path, fault)
        if other is None:  # then the statement is wrong, which is moss's own fault
            raise
        raise other from fault
    except (apsw.BusyError, apsw.LockedError) as fault:
        raise Locked(f"{path} is in use ({fault})", remedies=["run the command again"]) from fault


def _other_form(path: str, fault: apsw.SQLError) -> FormatTooOld | None:
    """Whether a statement failed because another moss made the tables, before the schema was as it is."""
    if not os.path.isfile(path):
        return None
    with closing(apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)) as found:
        expected = Database(apsw.Connection(":memory:"), "")
        _migrate(expected, schema_texts("sql"))
        if _tables(found) == _tables(expected.connection):
            return None
    return FormatTooOld(
        f"{path} was written by an earlier moss, in a form that this one cannot read",
        because=[str(fault)],
        remedies=[
            "use the moss that wrote it",
            "let that one make a bundle, and take it into a new root: moss export -o FILE; moss sync --from FILE",
        ],
    )


def _tables(connection: apsw.Connection) -> dict[str, str]:
    rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {str(name): str(sql) for name, sql in rows}
