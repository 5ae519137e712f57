"""What repositories offer, as their indexes said when they were last read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from moss.db.connection import Database
from moss.db.offering import Made, Offering
from moss.db.statements import metadata_from, statement_of
from moss.digest import PackageDigest, content_digest
from moss.package import Metadata, Published
from moss.repository import Candidate, Revision, Seen, candidate_key_of
from solver.rules import Candidate as SolverCandidate
from solver.solution import Details
from solver.values import promise
from solver.version import Scheme

if TYPE_CHECKING:  # most commands read no index, and take no paragraph apart
    from moss.debian.index import Listed, Paragraph

_BRIEFLY = (
    "repository, candidate_key, uri, digest, file_size, installed_size,"
    " name, version, release, build_release, architecture, scheme"
)
_AT_ONCE = 64  # names asked for by one statement, which takes half the time of as many statements
_OF_NAMES = f"SELECT id, {_BRIEFLY} FROM candidate WHERE name IN ({', '.join('?' * _AT_ONCE)})"
_COLUMNS = f"{_BRIEFLY}, summary, statement, paragraph"
_INSERT = f"INSERT INTO candidate (id, {_COLUMNS}, fingerprint) VALUES ({', '.join('?' * 17)})"
_PROVIDE = "INSERT INTO provided (capability, candidate) VALUES (?, ?)"

_REVISION = "repository, uri, digest, refreshed_at, package_count, index_path, asked, etag, last_modified"

_SCHEMES = {scheme.name.lower(): scheme for scheme in Scheme}


@contextmanager
def replacing(database: Database, repository: str) -> "Iterator[Callable[[Iterable[Published | Paragraph]], None]]":
    """Give a repository other content: what is handed to the function inside the block.

    Readers see the old or the new; where the block ends with an error the old stays. The block must
    end with `record_revision`.
    """
    with database.transaction():
        # The revision comes last, when all of it has been read.
        database.connection.execute("PRAGMA defer_foreign_keys = ON")
        offering = Offering(database, repository, _INSERT, _PROVIDE, _made)

        def offer(listed: "Iterable[Published | Paragraph]") -> None:
            offering.take([_published(one) if isinstance(one, Published) else (one.fingerprint, one) for one in listed])

        yield offer
        offering.finish()


def record_revision(database: Database, revision: Revision) -> None:
    seen = revision.seen
    database.connection.execute(
        # No "OR REPLACE", which would take what it offers along.
        f"INSERT INTO revision ({_REVISION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET uri = excluded.uri, digest = excluded.digest, refreshed_at = excluded.refreshed_at,"
        " package_count = excluded.package_count, index_path = excluded.index_path, asked = excluded.asked,"
        " etag = excluded.etag, last_modified = excluded.last_modified",
        (
            revision.repository, revision.uri, revision.digest, revision.refreshed_at, revision.package_count,
            seen.index_path, seen.asked, seen.etag, seen.last_modified,
        ),
    )  # fmt: skip


def record_unchanged(database: Database, repository: str, at: int, seen: Seen) -> None:
    """The index of a repository is still what it was when it was last read."""
    database.connection.execute(
        "UPDATE revision SET refreshed_at = ?, index_path = ?, asked = ?, etag = ?, last_modified = ?"
        " WHERE repository = ?",
        (at, seen.index_path, seen.asked, seen.etag, seen.last_modified, repository),
    )


def _made(offered: "Made | Paragraph") -> Made:
    return offered if isinstance(offered, tuple) else _listed_row(offered)


def _published(published: Published) -> tuple[bytes, Made]:
    metadata = published.metadata
    row = (
        candidate_key_of(metadata, published.digest), published.uri, published.digest, published.size,
        published.installed_size,
        metadata.name, metadata.version, metadata.release, metadata.build_release, metadata.architecture,
        metadata.scheme.name.lower(), metadata.summary, statement_of(metadata), None,
    )  # fmt: skip
    provided = sorted({provide.name for provide in metadata.relations.provides} - {metadata.name})
    return content_digest("\0".join(map(str, (*row, *provided))).encode()), (row, provided)


def _listed_row(paragraph: "Paragraph") -> Made:
    listed = paragraph.listed
    assert listed is not None, "packages for other architectures are not offered"
    row = (
        listed.key, listed.filename, listed.sha256, listed.size, listed.installed_size,
        listed.name, listed.version, 1, 1, listed.architecture, "deb", listed.summary, None, listed.paragraph,
    )  # fmt: skip
    return row, listed.provided_names


def forget_repository(database: Database, name: str) -> None:
    database.connection.execute("DELETE FROM revision WHERE repository = ?", (name,))


def revisions(database: Database) -> list[Revision]:
    rows = database.connection.execute(f"SELECT {_REVISION} FROM revision ORDER BY repository")
    return [
        Revision(name, uri, digest, refreshed_at, count, Seen(*seen))
        for name, uri, digest, refreshed_at, count, *seen in rows
    ]


def digests_on_offer(database: Database, digests: Iterable[str]) -> set[str]:
    """Those of the digests that files on offer have."""
    asked = sorted(digests)
    if not asked:
        return set()
    marks = ", ".join("?" * len(asked))
    return {digest for (digest,) in database.connection.execute(
        f"SELECT digest FROM candidate WHERE digest IN ({marks})", asked
    )}  # fmt: skip


def all_of(database: Database, repositories: Sequence[str]) -> Iterator[Candidate]:
    """Everything that these repositories offer, by name."""
    marks = ", ".join("?" * len(repositories))
    rows = database.connection.execute(
        f"SELECT {_COLUMNS} FROM candidate WHERE repository IN ({marks}) ORDER BY name, id", repositories
    )
    return map(_whole, rows)


def by_keys(database: Database, asked: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], Candidate]:
    """The candidates of these names, repositories and keys, by repository and key."""
    wanted = {(repository, key): name for name, repository, key in asked}
    names = list(dict.fromkeys(wanted.values()))
    found: dict[tuple[str, str], Candidate] = {}
    for at in range(0, len(names), _AT_ONCE):
        some = names[at : at + _AT_ONCE]
        some += some[-1:] * (_AT_ONCE - len(some))  # the same statement each time
        # One key may have two rows, of which the first counts; ordering in SQL would take three times as long.
        rows = database.connection.execute(_OF_NAMES, some)
        for number, *row in sorted(rows, key=itemgetter(0), reverse=True):
            repository, key = row[:2]
            if (repository, key) in wanted:
                found[repository, key] = _candidate(row, partial(_statement, database, number))
    return found


def listed(
    database: Database, chosen: Iterable[tuple[SolverCandidate, Details]]
) -> dict[tuple[str, str], Candidate]:
    """What Debian repositories offer, as the universe tells of it, by repository and key; what that does not tell is
    read when it is asked for."""
    of_metadata = promise(Metadata, "name", "version", "release", "build_release", "architecture", "scheme")
    known = promise(Candidate, "repository", "candidate_key", "metadata", "stone_size", "installed_size")
    found: dict[tuple[str, str], Candidate] = {}
    for one, details in chosen:
        whole = partial(_whole_of, database, one)
        metadata = of_metadata(
            partial(_metadata_of, whole), one.name, one.version, 1, 1, details.arch, details.scheme
        )
        place = one.repository, one.key
        found[place] = known(whole, *place, metadata, details.size, details.installed_size)
    return found


def _whole_of(database: Database, one: SolverCandidate) -> Candidate:
    place = one.repository, one.key
    found = by_keys(database, [(one.name, *place)]).get(place)
    assert found is not None, f"the universe of {one.repository} has {one.name}, its table has not"
    return found


def _metadata_of(whole: Callable[[], Candidate]) -> Metadata:
    return whole().metadata


def _statement(database: Database, number: int) -> tuple[str | None, str | None]:
    rows = database.connection.execute("SELECT statement, paragraph FROM candidate WHERE id = ?", (number,))
    ((statement, paragraph),) = rows
    return statement, paragraph


def listed_in(database: Database, repository: str) -> "Iterator[Listed]":
    """What a Debian index listed, as the cache kept it."""
    from moss.debian.index import listed_again

    rows = database.connection.execute(
        "SELECT paragraph, architecture, digest, file_size, installed_size FROM candidate"
        " WHERE repository = ? AND paragraph IS NOT NULL ORDER BY id",
        (repository,),
    )
    return (listed_again(*row) for row in rows)


def any_name(database: Database, repository: str) -> str | None:
    """What one of the packages that a repository offers is called."""
    rows = database.connection.execute("SELECT name FROM candidate WHERE repository = ? LIMIT 1", (repository,))
    return next((str(name) for (name,) in rows), None)


def by_name(database: Database, name: str) -> list[Candidate]:
    rows = database.connection.execute(f"SELECT {_COLUMNS} FROM candidate WHERE name = ? ORDER BY id", (name,))
    return [_whole(row) for row in rows]


def providers_of(database: Database, capability: str) -> list[Candidate]:
    """Who provides this, by name; a package provides its own name."""
    rows = database.connection.execute(
        f"SELECT {_COLUMNS} FROM candidate WHERE name = ?1"
        " OR id IN (SELECT candidate FROM provided WHERE capability = ?1) ORDER BY name, id",
        (capability,),
    )
    return [_whole(row) for row in rows]


def names(database: Database) -> list[str]:
    """Every package name on offer, for finding near ones."""
    rows = database.connection.execute("SELECT DISTINCT name FROM candidate ORDER BY name")
    return [name for (name,) in rows]


def with_words(database: Database, repositories: Sequence[str], words: Sequence[str]) -> list[Candidate]:
    """Those whose name or summary has all the words, whatever their case; by name."""
    marks = ", ".join("?" * len(repositories))
    wanted = [word.casefold() for word in words]
    rows = database.connection.execute(
        f"SELECT id, name, summary FROM candidate WHERE repository IN ({marks}) ORDER BY name, id", repositories
    )
    found = [
        number for number, name, summary in rows if all(word in f"{name}\n{summary}".casefold() for word in wanted)
    ]
    return [
        _whole(row)
        for number in found
        for row in database.connection.execute(f"SELECT {_COLUMNS} FROM candidate WHERE id = ?", (number,))
    ]


def _whole(row: Sequence[Any]) -> Candidate:
    """Of all columns."""
    *brief, _, statement, paragraph = row
    return _candidate(brief, lambda: (statement, paragraph))


def _candidate(row: Sequence[Any], statement: Callable[[], tuple[str | None, str | None]]) -> Candidate:
    (
        repository, key, uri, digest, size, installed_size,
        name, version, release, build_release, architecture, scheme,
    ) = row  # fmt: skip

    def read() -> Metadata:
        said, paragraph = statement()
        if paragraph is not None:
            from moss.debian.index import metadata_from_paragraph

            return metadata_from_paragraph(paragraph, key)
        assert said is not None
        return metadata_from(name, version, release, build_release, architecture, scheme, said)

    # Packages are named and compared by the thousand, and hardly one is asked what it depends on.
    promised = promise(Metadata, "name", "version", "release", "build_release", "architecture", "scheme")
    metadata = promised(read, name, version, release, build_release, architecture, _SCHEMES[scheme])
    return Candidate(repository, key, metadata, uri, PackageDigest(digest), size, installed_size)
