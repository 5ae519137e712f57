"""Generations and what they consist of."""

import json
from collections.abc import Sequence
from itertools import starmap
from typing import Any

from moss.db.connection import Database
from moss.db.cuts import filter_number, make_cuts
from moss.db.facts import record_facts
from moss.db.repositories import repositories_text
from moss.db.statements import metadata_later
from moss.digest import PackageDigest
from moss.facts import Fact
from moss.generation import Generation, PackageId, Reason, Selected, Status
from moss.model import Hold, Pin, SystemModel, Wish
from moss.path_filter import NOTHING_OMITTED, PathFilter
from moss.root import GenerationId
from moss.subscription import Setting, Switch
from solver.formula import parse_relation

_SELECTED = (
    "package.id, digest, candidate_key, repository, stone_size, installed_size, reason,"
    " name, version, release, build_release, architecture, scheme, statement"
)


def next_number(database: Database) -> GenerationId:
    """The number the next generation will get; numbers are never used twice."""
    row = database.connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'generation'").fetchone()
    return GenerationId(1 if row is None else row[0] + 1)


def record_staged(
    database: Database,
    number: GenerationId,
    *,
    created_at: int,
    parent: GenerationId | None,
    command: str,
    model: SystemModel,
    selections: Sequence[tuple[PackageId, Reason]],
    facts: Sequence[Fact] = (),
    path_filter: PathFilter = NOTHING_OMITTED,
    model_text: str | None = None,
) -> None:
    """Write down a generation whose tree is about to be made. `facts`: by which it was planned, where known.
    `model_text`: the model as text, which names the repositories there are.

    What `moss.db.cuts.lacking` gives then must be durable in the store before this is committed.
    """
    with database.transaction():
        omitted = filter_number(database, path_filter)
        make_cuts(database, (package for package, _ in selections), omitted)
        database.connection.execute(
            "INSERT INTO generation (id, created_at, parent, command, path_filter, model_text, repositories, status)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 'staged')",
            (number, created_at, parent, command, omitted, model_text, repositories_text(database)),
        )
        database.connection.executemany(
            "INSERT INTO wish (generation, position, wanted, why, repository) VALUES (?, ?, ?, ?, ?)",
            ((number, at, str(wish.wanted), wish.why, wish.repository) for at, wish in enumerate(model.wishes)),
        )
        database.connection.executemany(
            "INSERT INTO pin (generation, position, wanted, repository, said_at) VALUES (?, ?, ?, ?, ?)",
            ((number, at, str(pin.wanted), pin.repository, pin.said_at) for at, pin in enumerate(model.pins)),
        )
        database.connection.executemany(
            "INSERT INTO hold (generation, name, said_at) VALUES (?, ?, ?)",
            ((number, hold.name, hold.said_at) for hold in model.holds),
        )
        database.connection.executemany(
            "INSERT INTO switch (generation, position, name, setting, choices, why) VALUES (?, ?, ?, ?, ?, ?)",
            (
                (number, at, one.name, one.setting.value, json.dumps(one.values), one.why)
                for at, one in enumerate(model.switches)
            ),
        )
        database.connection.executemany(
            "INSERT INTO selection (generation, package, reason) VALUES (?, ?, ?)",
            ((number, package, reason_text(reason)) for package, reason in selections),
        )
        record_facts(database, number, facts)


def record_complete(database: Database, number: GenerationId) -> None:
    database.connection.execute("UPDATE generation SET status = 'complete' WHERE id = ?", (number,))


def discard(database: Database, number: GenerationId) -> None:
    """Forget a generation that never became complete. Its number is not used again."""
    database.connection.execute("DELETE FROM generation WHERE id = ? AND status = 'staged'", (number,))


def active(database: Database) -> GenerationId | None:
    row = database.connection.execute("SELECT generation FROM active").fetchone()
    return None if row is None else GenerationId(row[0])


def set_active(database: Database, number: GenerationId) -> None:
    database.connection.execute(
        "INSERT INTO active (one, generation) VALUES (1, ?)"
        " ON CONFLICT (one) DO UPDATE SET generation = excluded.generation",
        (number,),
    )


def generation(database: Database, number: GenerationId) -> Generation | None:
    row = database.connection.execute(
        "SELECT id, created_at, parent, command, status FROM generation WHERE id = ?", (number,)
    ).fetchone()
    return None if row is None else _generation(database, row)


def status_of(database: Database, number: GenerationId) -> Status | None:
    """What became of a generation; None where it is not on record. What a generation is of is not read."""
    row = database.connection.execute("SELECT status FROM generation WHERE id = ?", (number,)).fetchone()
    return None if row is None else Status(row[0])


def generations(database: Database) -> list[Generation]:
    """All that were ever completed and are still on record, oldest first."""
    rows = database.connection.execute("SELECT id, created_at, parent, command, status FROM generation ORDER BY id")
    return [_generation(database, row) for row in list(rows)]


def model_of(database: Database, number: GenerationId | None) -> SystemModel:
    """What the person wanted when this generation was made; nothing when there is no generation."""
    connection = database.connection
    wishes = connection.execute(
        "SELECT wanted, why, repository FROM wish WHERE generation = ? ORDER BY position", (number,)
    )
    pins = connection.execute(
        "SELECT wanted, repository, said_at FROM pin WHERE generation = ? ORDER BY position", (number,)
    )
    holds = connection.execute("SELECT name, said_at FROM hold WHERE generation = ? ORDER BY name", (number,))
    switches = connection.execute(
        "SELECT name, setting, choices, why FROM switch WHERE generation = ? ORDER BY position", (number,)
    )
    return SystemModel(
        tuple(Wish(parse_relation(wanted), why, repository) for wanted, why, repository in wishes),
        tuple(Pin(parse_relation(wanted), repository, said_at) for wanted, repository, said_at in pins),
        tuple(Hold(name, said_at) for name, said_at in holds),
        tuple(
            Switch(name, Setting(setting), tuple(json.loads(choices)), why) for name, setting, choices, why in switches
        ),
    )


def origin_of(database: Database, number: GenerationId) -> tuple[int, str]:
    """When a generation on record was made (seconds since 1970, UTC), and by which command."""
    row = database.connection.execute("SELECT created_at, command FROM generation WHERE id = ?", (number,)).fetchone()
    assert row is not None, f"generation {number} has no row"
    return int(row[0]), str(row[1])


def model_text_of(database: Database, number: GenerationId | None) -> str | None:
    """The text of the model that this generation was made with; None where there was none."""
    row = database.connection.execute("SELECT model_text FROM generation WHERE id = ?", (number,)).fetchone()
    return None if row is None else row[0]


def has_these_repositories(database: Database, number: GenerationId) -> bool:
    """Whether the repositories are what they were when the generation was made."""
    row = database.connection.execute("SELECT repositories FROM generation WHERE id = ?", (number,)).fetchone()
    return row is not None and row[0] == repositories_text(database)


def selection_of(database: Database, number: GenerationId | None) -> list[Selected]:
    """The generation's packages by name; none when there is no generation."""
    rows = database.connection.execute(
        f"SELECT {_SELECTED} FROM selection JOIN package ON package.id = selection.package"
        " WHERE generation = ? AND made_by IS NULL ORDER BY name, architecture, package.id",
        (number,),
    )
    return list(starmap(_selected, rows))


def remembered(database: Database, candidate_key: str, reason: Reason) -> Selected | None:
    """A package whose files are in the store, as a generation that wants it for this reason would select it."""
    rows = database.connection.execute(
        f"SELECT {_SELECTED} FROM package CROSS JOIN (SELECT ? AS reason) WHERE candidate_key = ?"
        " ORDER BY package.id DESC LIMIT 1",
        (reason_text(reason), candidate_key),
    )
    return next(starmap(_selected, rows), None)


def package_ids_of(database: Database, number: GenerationId | None) -> list[PackageId]:
    """All that the generation's tree is made of: packages, and what triggers wrote."""
    rows = database.connection.execute("SELECT package FROM selection WHERE generation = ? ORDER BY package", (number,))
    return [PackageId(package) for (package,) in rows]


def package_count(database: Database, number: GenerationId) -> int:
    """How many packages a generation consists of."""
    row = database.connection.execute(
        "SELECT count(*) FROM selection JOIN package ON package.id = package WHERE generation = ? AND made_by IS NULL",
        (number,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _selected(
    package: int, digest: str, key: str, repository: str, stone_size: int, installed_size: int, reason: str,
    *columns: Any,
) -> Selected:  # fmt: skip
    return Selected(
        PackageId(package), metadata_later(*columns), PackageDigest(digest), key, repository,
        stone_size, installed_size, reason_from(reason),
    )  # fmt: skip


def _generation(database: Database, row: Sequence[object]) -> Generation:
    number, created_at, parent, command, status = row
    assert isinstance(number, int) and isinstance(created_at, int) and isinstance(command, str)
    return Generation(
        GenerationId(number),
        created_at,
        GenerationId(parent) if isinstance(parent, int) else None,
        command,
        Status(status),
        model_of(database, GenerationId(number)),
    )


def reason_text(reason: Reason) -> str:
    parts = {
        "wish": reason.wish, "package": reason.package, "needs": reason.needs, "subscription": reason.subscription,
    }  # fmt: skip
    return json.dumps({key: part for key, part in parts.items() if part is not None}, ensure_ascii=False)


def reason_from(text: str) -> Reason:
    return Reason(**json.loads(text))
