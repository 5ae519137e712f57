"""Forgetting what no generation has any more: packages, cuts, and so files of the store."""

from moss.db.connection import Database
from moss.db.cuts import is_present
from moss.db.packages import Asset, has_digest

ENOUGH = 20_000
"""Unneeded assets: a megabyte or two."""

_IDENTITY = "digest, permissions, uid, gid, xattrs"
_HAD = (
    "EXISTS (SELECT 1 FROM selection JOIN generation ON generation.id = selection.generation"
    " WHERE selection.package = cut.package AND generation.path_filter = cut.path_filter)"
)
_UNUSED = "NOT EXISTS (SELECT 1 FROM selection WHERE package = package.id)"


def forget_unused(database: Database) -> set[Asset]:
    """Forget the packages that no generation consists of any more, and the cuts that none has; the assets whose
    files must leave the store.

    Their files are unlinked by the caller after this is committed, and then it says `have_left`. What an
    earlier caller was kept from unlinking is among them, unless it is needed again.
    """
    connection = database.connection
    with database.transaction():
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS suspect (asset INTEGER PRIMARY KEY)")
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS gone (package INTEGER PRIMARY KEY)")
        connection.execute("DELETE FROM suspect")
        connection.execute("DELETE FROM gone")
        connection.execute(
            f"INSERT OR IGNORE INTO gone SELECT package FROM cut WHERE NOT {_HAD}"
            f" UNION SELECT id FROM package WHERE {_UNUSED}"
        )
        connection.execute(
            "INSERT OR IGNORE INTO suspect SELECT asset FROM gone CROSS JOIN layout USING (package)"
            " WHERE asset IS NOT NULL"
        )
        connection.execute(f"DELETE FROM cut WHERE package IN (SELECT package FROM gone) AND NOT {_HAD}")
        connection.execute(f"DELETE FROM package WHERE id IN (SELECT package FROM gone) AND {_UNUSED}")
        connection.execute(f"DELETE FROM suspect WHERE {is_present('suspect.asset')}")
        connection.execute(
            f"INSERT OR IGNORE INTO leaving SELECT {_IDENTITY} FROM asset"
            " WHERE id IN (SELECT asset FROM suspect)"
        )
        connection.execute(
            "INSERT OR IGNORE INTO unneeded SELECT asset FROM suspect"
            " WHERE NOT EXISTS (SELECT 1 FROM layout WHERE layout.asset = suspect.asset)"
        )
        _settle(database)
        connection.execute(
            f"DELETE FROM leaving WHERE EXISTS (SELECT 1 FROM asset WHERE {has_digest('leaving.digest')}"
            " AND (permissions, uid, gid, xattrs)"
            " = (leaving.permissions, leaving.uid, leaving.gid, leaving.xattrs)"
            f" AND {is_present('asset.id')})"
        )
        return {Asset(*row) for row in connection.execute(f"SELECT {_IDENTITY} FROM leaving")}


def _settle(database: Database) -> None:
    """Once enough assets are unneeded, as many as have come about, let those go that no layout has; then all that
    stay are the settled ones."""
    execute = database.connection.execute
    ((unneeded,),) = execute("SELECT count(*) FROM unneeded")
    if unneeded < ENOUGH:
        return
    execute(
        "DELETE FROM asset WHERE id IN (SELECT asset FROM unneeded)"
        " AND NOT EXISTS (SELECT 1 FROM layout WHERE layout.asset = asset.id)"
    )
    execute("DELETE FROM unneeded")
    execute("UPDATE asset SET young = 0 WHERE young = 1")


def have_left(database: Database) -> None:
    """All that was leaving the store has left it."""
    database.connection.execute("DELETE FROM leaving")
