"""The facts that generations were planned by. Generations planned by the same have one set in common."""

from collections.abc import Sequence

from moss.db.connection import Database
from moss.facts import Fact, in_order
from moss.root import GenerationId


def record_facts(database: Database, generation: GenerationId, facts: Sequence[Fact]) -> None:
    """Say by which facts a generation was planned. Where they were read is kept as of the set's first time."""
    if not facts:
        return
    import hashlib  # who only looks needs none of it

    capabilities = sorted(one.capability for one in facts)
    digest = hashlib.sha256("\n".join(capabilities).encode()).digest()
    with database.transaction():
        execute = database.connection.execute
        row = execute("SELECT id FROM fact_set WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            row = execute("INSERT INTO fact_set (digest) VALUES (?) RETURNING id", (digest,)).fetchone()
            assert row is not None
            database.connection.executemany(
                "INSERT INTO fact (fact_set, capability, source) VALUES (?, ?, ?)",
                ((row[0], one.capability, one.source) for one in facts),
            )
        execute("UPDATE generation SET fact_set = ? WHERE id = ?", (row[0], generation))


def facts_of(database: Database, generation: GenerationId | None) -> tuple[Fact, ...]:
    """By which facts a generation was planned, in order; none where that is not known."""
    rows = database.connection.execute(
        "SELECT capability, source FROM generation JOIN fact USING (fact_set) WHERE generation.id = ?", (generation,)
    )
    return in_order(Fact(capability, source) for capability, source in rows)


def architecture_of(database: Database, generation: GenerationId | None) -> str | None:
    """The architecture that a generation was planned for."""
    row = database.connection.execute(
        "SELECT capability FROM generation JOIN fact USING (fact_set)"
        " WHERE generation.id = ? AND capability GLOB 'arch(*)'",
        (generation,),
    ).fetchone()
    return None if row is None else Fact(row[0]).name


def forget_unused(database: Database) -> None:
    """Sets that no generation has any more go."""
    database.connection.execute(
        "DELETE FROM fact_set WHERE id NOT IN (SELECT fact_set FROM generation WHERE fact_set IS NOT NULL)"
    )
