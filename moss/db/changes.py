"""Which packages a transaction changed: from the selections of its generations, or as kept when one was given up."""

import apsw

from moss.db.connection import Database
from moss.db.generations import reason_from
from moss.generation import JournalEntry, Reason
from moss.root import GenerationId
from solver.values import value

_COLUMNS = "name, architecture, old_key, new_key, old_label, old_reason"
# `?1` and `?2` are the generations before and after; NULL before the first.
_CHANGES = (
    "WITH chosen AS (SELECT generation, name, architecture, candidate_key AS key, reason,"
    " name || ' ' || version || '-' || release AS label FROM selection JOIN package ON package.id = package"
    " WHERE generation IN (?1, ?2) AND made_by IS NULL),"
    " old AS MATERIALIZED (SELECT * FROM chosen WHERE generation = ?1),"
    " new AS MATERIALIZED (SELECT * FROM chosen WHERE generation = ?2)"
    " SELECT coalesce(old.name, new.name) AS name, coalesce(old.architecture, new.architecture) AS architecture,"
    " old.key AS old_key, new.key AS new_key, old.label AS old_label, old.reason AS old_reason FROM old"
    " FULL OUTER JOIN new ON new.name = old.name AND new.architecture = old.architecture"
    " WHERE old.key IS NOT new.key"
)


@value
class PackageChange:
    """What a transaction did to one package; keys are candidate keys, None where it was not there."""

    name: str
    architecture: str
    old_key: str | None
    new_key: str | None
    old_label: str
    old_reason: Reason


def changes_of(database: Database, entry: JournalEntry) -> list[PackageChange]:
    """By name. What was done by a transaction that is over."""
    before, after = entry.from_generation, entry.to_generation
    if _are_complete(database, before, after):
        rows = database.connection.execute(f"{_CHANGES} ORDER BY 1, 2", (before, after))
    else:
        rows = database.connection.execute(
            f"SELECT {_COLUMNS} FROM package_change WHERE transaction_id = ? ORDER BY name, architecture",
            (entry.id,),
        )
    return [
        PackageChange(name, architecture, old, new, label or "", reason_from(reason or "{}"))
        for name, architecture, old, new, label, reason in rows
    ]


def keep_changes(database: Database, going: GenerationId) -> None:
    """Write down what each transaction from or to this generation changed. Call it before its selection goes."""
    entries = database.connection.execute(
        "SELECT id, from_generation, to_generation FROM journal"
        " WHERE phase = 'done' AND to_generation IS NOT NULL AND (from_generation = ?1 OR to_generation = ?1)",
        (going,),
    ).fetchall()
    for entry, before, after in entries:
        if _are_complete(database, before, after):
            database.connection.execute(
                f"INSERT INTO package_change (transaction_id, {_COLUMNS}) SELECT ?3, * FROM ({_CHANGES})",
                (before, after, entry),
            )


def _are_complete(database: Database, *numbers: "apsw.SQLiteValue") -> bool:
    return all(
        database.connection.execute(
            "SELECT 1 FROM generation WHERE id = ? AND status = 'complete'", (number,)
        ).fetchone()
        for number in numbers
        if number is not None
    )
