"""Which trees there are besides the active one, as far as the record must know."""

import json
from collections.abc import Mapping, Sequence

from moss.db.changes import keep_changes
from moss.db.connection import Database
from moss.db.generations import active
from moss.root import GenerationId
from moss.seal import Seal
from solver.values import value

_GIVE_UP = "UPDATE generation SET status = 'removed', fact_set = NULL WHERE id = ?"


@value
class Spare:
    """The tree that the next generation is made in. Not `clean`: thrown away, never repaired."""

    generation: GenerationId
    clean: bool


def spare(database: Database) -> Spare | None:
    row = database.connection.execute("SELECT generation, clean FROM spare").fetchone()
    return None if row is None else Spare(GenerationId(row[0]), bool(row[1]))


def retire_to_spare(database: Database, generation: GenerationId) -> None:
    """A generation's tree becomes the spare: the generation cannot be activated any more."""
    with database.transaction():
        keep_changes(database, generation)
        database.connection.execute(_GIVE_UP, (generation,))
        database.connection.execute("INSERT INTO spare (one, generation, clean) VALUES (1, ?, 1)", (generation,))


def move_spare(database: Database, to: GenerationId) -> None:
    """The spare's tree is made into a copy of this generation's, under its own number; dirty until that is done."""
    with database.transaction():
        held = spare(database)
        assert held is not None
        execute = database.connection.execute
        execute("DELETE FROM selection WHERE generation = ?", (held.generation,))
        execute(
            "INSERT INTO selection (generation, package, reason) SELECT ?, package, reason FROM selection"
            " WHERE generation = ?", (held.generation, to),
        )  # fmt: skip
        execute(
            "UPDATE generation SET path_filter = (SELECT path_filter FROM generation WHERE id = ?) WHERE id = ?",
            (to, held.generation),
        )
        record_directory_links(database, held.generation, directory_links(database, to))
        mark_spare_dirty(database)


def remove(database: Database, generation: GenerationId) -> None:
    """A generation is given up; its tree is removed after this is committed."""
    with database.transaction():
        keep_changes(database, generation)
        database.connection.execute(_GIVE_UP, (generation,))
        database.connection.execute("DELETE FROM audited WHERE generation = ?", (generation,))
        database.connection.execute("DELETE FROM sealed WHERE generation = ?", (generation,))
        database.connection.execute("DELETE FROM selection WHERE generation = ?", (generation,))


def mark_spare_dirty(database: Database) -> None:
    database.connection.execute("UPDATE spare SET clean = 0")


def mark_spare_clean(database: Database) -> None:
    database.connection.execute("UPDATE spare SET clean = 1")


def forget_spare(database: Database) -> None:
    """The spare became another generation's tree, or is gone; what it held is nobody's any more."""
    with database.transaction():
        held = spare(database)
        if held is not None:
            database.connection.execute("DELETE FROM spare")
            remove(database, held.generation)


def pending(database: Database) -> GenerationId | None:
    """The generation that the next boot is to switch to."""
    row = database.connection.execute("SELECT generation FROM pending").fetchone()
    return None if row is None else GenerationId(row[0])


def next_to_boot(database: Database) -> GenerationId | None:
    """The generation that the machine's next boot is to bring up: the pending one, else the active one."""
    return pending(database) or active(database)


def model_taken(database: Database) -> str | None:
    """The edited text that the pending generation's model was made from."""
    row = database.connection.execute("SELECT model_taken FROM pending").fetchone()
    return None if row is None else row[0]


def set_pending(database: Database, generation: GenerationId | None, model_taken: str | None = None) -> None:
    """None: the next boot stays with the active one."""
    with database.transaction():
        database.connection.execute("DELETE FROM pending")
        if generation is not None:
            database.connection.execute(
                "INSERT INTO pending (one, generation, model_taken) VALUES (1, ?, ?)", (generation, model_taken)
            )


def record_audited(database: Database, generation: GenerationId, *, clean: bool) -> None:
    database.connection.execute(
        "INSERT OR REPLACE INTO audited (generation, clean) VALUES (?, ?)", (generation, int(clean))
    )


def was_audited(database: Database, generation: GenerationId) -> bool:
    """Whether its tree was looked at since it was live last."""
    return _is_clean(database, generation) is not None


def is_clean(database: Database, generation: GenerationId) -> bool:
    """Whether its tree was looked at since it was live last and was exactly its layout."""
    return _is_clean(database, generation) is True


def _is_clean(database: Database, generation: GenerationId) -> bool | None:
    row = database.connection.execute("SELECT clean FROM audited WHERE generation = ?", (generation,)).fetchone()
    return None if row is None else bool(row[0])


def unset_audited(database: Database, generation: GenerationId) -> None:
    """The generation is live again: anything may happen to its tree."""
    database.connection.execute("DELETE FROM audited WHERE generation = ?", (generation,))


def record_seal(database: Database, generation: GenerationId, seal: Seal) -> None:
    database.connection.execute(
        "INSERT OR REPLACE INTO sealed (generation, at, top) VALUES (?, ?, ?)",
        (generation, seal.at, json.dumps(seal.top)),
    )


def seal_of(database: Database, generation: GenerationId) -> Seal | None:
    row = database.connection.execute("SELECT at, top FROM sealed WHERE generation = ?", (generation,)).fetchone()
    return None if row is None else Seal(row[0], tuple(json.loads(row[1])))


def record_directory_links(database: Database, generation: GenerationId, links: Mapping[str, str]) -> None:
    database.connection.execute(
        "UPDATE generation SET directory_links = ? WHERE id = ?", (json.dumps(links, sort_keys=True), generation)
    )


def directory_links(database: Database, generation: GenerationId) -> dict[str, str]:
    row = database.connection.execute(
        "SELECT directory_links FROM generation WHERE id = ?", (generation,)
    ).fetchone()
    links: dict[str, str] = json.loads(row[0]) if row else {}
    return links


def prunable(database: Database, keep: int, spared: Sequence[GenerationId]) -> list[GenerationId]:
    """Complete generations beyond the newest `keep`, oldest first, without those kept by name or `spared`."""
    rows = database.connection.execute(
        "SELECT id FROM generation WHERE status = 'complete' ORDER BY id DESC LIMIT -1 OFFSET ?", (keep,)
    )
    stay = {*kept_names(database), *spared}
    return sorted(GenerationId(number) for (number,) in list(rows) if number not in stay)


def kept_names(database: Database) -> dict[GenerationId, str]:
    """The generations that the person keeps, with the names they gave them."""
    rows = database.connection.execute("SELECT id, kept_as FROM generation WHERE kept_as IS NOT NULL ORDER BY id")
    return {GenerationId(number): str(name) for number, name in rows}


def keep(database: Database, generation: GenerationId, name: str | None) -> None:
    """Keep a generation under a name of its own, whatever retention says; None: let retention decide again."""
    database.connection.execute("UPDATE generation SET kept_as = ? WHERE id = ?", (name, generation))
