-- What the repositories offer: a cache that can be thrown away and fetched again.
-- It has no migrations: a file with another version is removed and made anew.

-- The state of a repository's index when it was last read.
CREATE TABLE revision (
    repository TEXT PRIMARY KEY,
    uri TEXT NOT NULL,
    -- SHA-256 of the index, hexadecimal: names the compiled universe too.
    digest TEXT NOT NULL,
    -- When it was last read, or found to be as it was. Seconds since 1970, UTC.
    refreshed_at INTEGER NOT NULL,
    package_count INTEGER NOT NULL,
    -- Of a versioned repository: where this index is, relative to the base.
    index_path TEXT NOT NULL,
    -- The URI that gave these HTTP validators, empty where there are none.
    asked TEXT NOT NULL,
    etag TEXT NOT NULL,
    last_modified TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A package that a repository offers.
CREATE TABLE candidate (
    -- In the order of its repository's index.
    id INTEGER PRIMARY KEY,
    repository TEXT NOT NULL REFERENCES revision (repository) ON DELETE CASCADE,
    -- What the solver knows it by: the source's digest where it was converted, else the stone's.
    candidate_key TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    release INTEGER NOT NULL,
    build_release INTEGER NOT NULL,
    architecture TEXT NOT NULL,
    scheme TEXT NOT NULL,
    -- Digest (128 bits) of all that the row is made of: XXH3 of it with what it provides, BLAKE2b of a Debian index's
    -- paragraph. It stays while an index that is read again says the same.
    fingerprint BLOB NOT NULL,
    summary TEXT NOT NULL,
    -- The rest of what it says of itself, read when someone asks: canonical JSON (see
    -- moss/db/statements.py), or the paragraph of a Debian index.
    statement TEXT,
    paragraph TEXT,
    -- Where its file is: relative to the index, or to the root of a Debian mirror.
    uri TEXT NOT NULL,
    -- SHA-256 of the file (a stone or a .deb), hexadecimal, and its bytes.
    digest TEXT NOT NULL,
    file_size INTEGER NOT NULL,
    -- Bytes that its files take when installed, where the index says so.
    installed_size INTEGER,
    CHECK ((statement IS NULL) <> (paragraph IS NULL))
) STRICT;
CREATE INDEX candidate_name ON candidate (name);
CREATE INDEX candidate_repository ON candidate (repository);

-- Which capabilities it provides besides its name, for looking up who provides what.
CREATE TABLE provided (
    capability TEXT NOT NULL,
    candidate INTEGER NOT NULL REFERENCES candidate (id) ON DELETE CASCADE,
    PRIMARY KEY (capability, candidate)
) STRICT, WITHOUT ROWID;
CREATE INDEX provided_candidate ON provided (candidate);

-- What a repository says that subscriptions mean: the files of definitions in its index, as KDL.
CREATE TABLE definition (
    repository TEXT NOT NULL REFERENCES revision (repository) ON DELETE CASCADE,
    file TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (repository, file)
) STRICT, WITHOUT ROWID;
