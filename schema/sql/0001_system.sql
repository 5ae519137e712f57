-- The record of one system: packages, their layouts, generations, and what is under way.
-- Applied once, in order, inside one transaction; never edited after a release.

-- A package that is known in full: what it says of itself, and its layout. Which of its files are in the store,
-- its cuts say.
CREATE TABLE package (
    id INTEGER PRIMARY KEY,
    -- SHA-256 of the complete stone, hexadecimal.
    digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
    -- What the solver knows it by: the source's digest where it was converted, else its own.
    candidate_key TEXT NOT NULL,
    name TEXT NOT NULL CHECK (name <> ''),
    version TEXT NOT NULL CHECK (version <> ''),
    release INTEGER NOT NULL,
    build_release INTEGER NOT NULL,
    architecture TEXT NOT NULL,
    -- Which order its version has: deb, rpm or stone.
    scheme TEXT NOT NULL CHECK (scheme IN ('deb', 'rpm', 'stone')),
    -- The rest of what the package says of itself: canonical JSON, see moss/db/statements.py.
    statement TEXT NOT NULL CHECK (json_valid(statement)),
    -- Where it came from: the repository's name at that time.
    repository TEXT NOT NULL,
    -- Bytes of the stone, and bytes of its files when installed.
    stone_size INTEGER NOT NULL CHECK (stone_size >= 0),
    installed_size INTEGER NOT NULL CHECK (installed_size >= 0),
    -- The trigger that wrote these files; NULL: it is a package that somebody made. What a trigger wrote lies
    -- in trees, the store and bundles as packages do, and no list of packages shows it.
    made_by TEXT CHECK (made_by <> '')
) STRICT;
CREATE INDEX package_candidate_key ON package (candidate_key);
CREATE INDEX package_name ON package (name);
CREATE INDEX package_made_by ON package (made_by) WHERE made_by IS NOT NULL;

-- A file object: content and metadata together, since hard links share both. It is in the store when a cut has a
-- path of it; a file in the store that no cut has means nothing.
CREATE TABLE asset (
    id INTEGER PRIMARY KEY,
    -- XXH3-128 of the content.
    digest BLOB NOT NULL CHECK (length(digest) = 16),
    -- Permission bits, setuid, setgid and sticky included (st_mode & 07777).
    permissions INTEGER NOT NULL CHECK (permissions BETWEEN 0 AND 4095),
    uid INTEGER NOT NULL CHECK (uid >= 0),
    gid INTEGER NOT NULL CHECK (gid >= 0),
    -- Extended attributes in the canonical form of moss/xattrs.py; empty for nearly every file.
    xattrs BLOB NOT NULL,
    size INTEGER NOT NULL CHECK (size >= 0),
    -- In which of the two indexes it is. What comes lies anywhere in an index by digest, and a change would touch
    -- every page of a large one: so it comes into a small one, and all of that goes over when there is enough of it.
    young INTEGER NOT NULL CHECK (young IN (0, 1))
) STRICT;
CREATE INDEX asset_young ON asset (substr(digest, 1, 4)) WHERE young = 1;
CREATE INDEX asset_settled ON asset (substr(digest, 1, 4)) WHERE young = 0;
-- Each file object has one row: what is there already is passed over.
CREATE TRIGGER asset_once BEFORE INSERT ON asset WHEN EXISTS (
    SELECT 1 FROM asset WHERE young = 1 AND substr(digest, 1, 4) = substr(new.digest, 1, 4)
    AND (digest, permissions, uid, gid, xattrs) = (new.digest, new.permissions, new.uid, new.gid, new.xattrs)
    UNION ALL SELECT 1 FROM asset WHERE young = 0 AND substr(digest, 1, 4) = substr(new.digest, 1, 4)
    AND (digest, permissions, uid, gid, xattrs) = (new.digest, new.permissions, new.uid, new.gid, new.xattrs)
) BEGIN SELECT RAISE(IGNORE); END;

-- Assets that no layout had any more when they were written down here: what none has goes with what settles next.
CREATE TABLE unneeded (
    asset INTEGER PRIMARY KEY
) STRICT;

-- Assets that no cut has any more, from before their files leave the store until they have left it:
-- what a crash keeps from going goes with the next upkeep.
CREATE TABLE leaving (
    digest BLOB NOT NULL,
    permissions INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    gid INTEGER NOT NULL,
    xattrs BLOB NOT NULL,
    PRIMARY KEY (digest, permissions, uid, gid, xattrs)
) STRICT, WITHOUT ROWID;

-- The paths of a package below /usr.
CREATE TABLE layout (
    package INTEGER NOT NULL REFERENCES package (id) ON DELETE CASCADE,
    path TEXT NOT NULL CHECK (path <> ''),
    -- 1 regular file, 2 symlink, 3 directory, as in the stone format. 8: a trigger removed what is here.
    kind INTEGER NOT NULL CHECK (kind IN (1, 2, 3, 8)),
    -- The whole st_mode; of what was removed 0.
    mode INTEGER NOT NULL,
    uid INTEGER NOT NULL CHECK (uid >= 0),
    gid INTEGER NOT NULL CHECK (gid >= 0),
    -- Regular files only.
    asset INTEGER REFERENCES asset (id),
    -- Symlinks only.
    link_target TEXT,
    PRIMARY KEY (package, path),
    CHECK ((kind = 1) = (asset IS NOT NULL)),
    CHECK ((kind = 2) = (link_target IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX layout_path ON layout (path);
CREATE INDEX layout_removed ON layout (package, path) WHERE kind = 8;
CREATE INDEX layout_asset ON layout (asset) WHERE asset IS NOT NULL;

-- What was so of a machine when generations were planned: each set once, however many were planned by it.
CREATE TABLE fact_set (
    id INTEGER PRIMARY KEY,
    -- SHA-256 of its capabilities, sorted, a line each.
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32)
) STRICT;

CREATE TABLE fact (
    fact_set INTEGER NOT NULL REFERENCES fact_set (id) ON DELETE CASCADE,
    -- Such as `cpu(x86-64-v3)`.
    capability TEXT NOT NULL CHECK (capability <> ''),
    -- Where it was read, for the person.
    source TEXT NOT NULL,
    PRIMARY KEY (fact_set, capability)
) STRICT, WITHOUT ROWID;

-- What generations leave out of their packages' paths. Rows stay, so that a number always means the same filter.
CREATE TABLE path_filter (
    id INTEGER PRIMARY KEY,
    -- JSON, canonical: [{"kept": [], "patterns": ["share/doc/**"], "subscription": "docs"}]
    omissions TEXT NOT NULL UNIQUE CHECK (json_valid(omissions))
) STRICT;
INSERT INTO path_filter (id, omissions) VALUES (1, '[]');

-- A package as generations with this filter have it: all of its paths but those that are omitted. The row is
-- written only after the files of these are durable, so a row means "unpacked".
CREATE TABLE cut (
    package INTEGER NOT NULL REFERENCES package (id) ON DELETE CASCADE,
    path_filter INTEGER NOT NULL REFERENCES path_filter (id),
    PRIMARY KEY (package, path_filter)
) STRICT, WITHOUT ROWID;

-- The paths of a package that a cut does not have.
CREATE TABLE omitted (
    package INTEGER NOT NULL,
    path_filter INTEGER NOT NULL,
    path TEXT NOT NULL,
    -- Which of the filter's omissions takes it, from 0.
    omission INTEGER NOT NULL CHECK (omission >= 0),
    PRIMARY KEY (package, path_filter, path),
    FOREIGN KEY (package, path_filter) REFERENCES cut (package, path_filter) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- A numbered, complete /usr. Numbers are never used twice.
CREATE TABLE generation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Seconds since 1970, UTC.
    created_at INTEGER NOT NULL,
    -- The generation that was active when this one was made.
    parent INTEGER REFERENCES generation (id),
    -- What the person typed.
    command TEXT NOT NULL,
    -- What it leaves out; of the spare's generation, as its selection, what the spare tree leaves out.
    path_filter INTEGER NOT NULL DEFAULT 1 REFERENCES path_filter (id),
    -- Symlinks that stand where one of its packages has a directory: JSON, path to target.
    directory_links TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(directory_links)),
    -- The name under which the person keeps it from being pruned; NULL: retention decides.
    kept_as TEXT UNIQUE CHECK (kept_as <> ''),
    -- The text of the system model that it was made with; NULL: there was none, the model is in the tables below.
    model_text TEXT,
    -- The repositories as they were then, which that text names: JSON.
    repositories TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(repositories)),
    -- By which facts it was planned; NULL: not known, or given up.
    fact_set INTEGER REFERENCES fact_set (id),
    -- staged: being made; complete: its tree was finished once; removed: its tree was given up on purpose.
    status TEXT NOT NULL CHECK (status IN ('staged', 'complete', 'removed'))
) STRICT;

-- What the person wanted when the generation was made, in the order it was said.
CREATE TABLE wish (
    generation INTEGER NOT NULL REFERENCES generation (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    -- A capability with an optional version range: `vim`, `binary(git)`, `foo (<< 3)`.
    wanted TEXT NOT NULL,
    -- Why, in the person's words; empty when they gave none.
    why TEXT NOT NULL,
    -- The only repository that it may come from; NULL: any.
    repository TEXT,
    PRIMARY KEY (generation, position),
    UNIQUE (generation, wanted)
) STRICT, WITHOUT ROWID;

-- Which versions of a package may be installed.
CREATE TABLE pin (
    generation INTEGER NOT NULL REFERENCES generation (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    -- A package's name with an optional version range: `bar (= 4.8-3)`.
    wanted TEXT NOT NULL,
    -- The only repository that it may come from; NULL: any.
    repository TEXT,
    -- Seconds since 1970, UTC.
    said_at INTEGER NOT NULL,
    PRIMARY KEY (generation, position)
) STRICT, WITHOUT ROWID;

-- Packages that stay exactly as they are.
CREATE TABLE hold (
    generation INTEGER NOT NULL REFERENCES generation (id) ON DELETE CASCADE,
    name TEXT NOT NULL CHECK (name <> ''),
    -- Seconds since 1970, UTC.
    said_at INTEGER NOT NULL,
    PRIMARY KEY (generation, name)
) STRICT, WITHOUT ROWID;

-- What the person said of subscriptions.
CREATE TABLE switch (
    generation INTEGER NOT NULL REFERENCES generation (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    -- A subscription's name, or a capability.
    name TEXT NOT NULL CHECK (name <> ''),
    setting TEXT NOT NULL CHECK (setting IN ('on', 'off', 'auto')),
    -- The values it was given: a JSON array of texts.
    choices TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(choices)),
    -- Why, in the person's words; empty when they gave none.
    why TEXT NOT NULL,
    PRIMARY KEY (generation, position),
    UNIQUE (generation, name)
) STRICT, WITHOUT ROWID;

-- Which packages a generation consists of, each with the reason it was chosen.
CREATE TABLE selection (
    generation INTEGER NOT NULL REFERENCES generation (id) ON DELETE CASCADE,
    package INTEGER NOT NULL REFERENCES package (id),
    -- JSON: {"wish": "vim"} or {"package": "inkscape", "needs": "libgsl (>= 2)"}.
    reason TEXT NOT NULL CHECK (json_valid(reason)),
    PRIMARY KEY (generation, package)
) STRICT, WITHOUT ROWID;
CREATE INDEX selection_package ON selection (package);

-- What became of the triggers that ran over a generation's tree before it was switched to.
CREATE TABLE trigger_run (
    generation INTEGER NOT NULL REFERENCES generation (id) ON DELETE CASCADE,
    name TEXT NOT NULL CHECK (name <> ''),
    -- Of all that its outcome depends on, SHA-256: see moss/triggers/work.py.
    inputs TEXT NOT NULL,
    -- done; failed; ignored: the person said so; inhibited: what it names was there.
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'failed', 'ignored', 'inhibited')),
    -- The end of what its programs printed.
    output TEXT NOT NULL,
    seconds REAL NOT NULL,
    -- What kept it from the rest of the system while it ran; empty where it did not run.
    isolation TEXT NOT NULL DEFAULT '' CHECK (isolation IN ('', 'overlay', 'copy', 'chroot')),
    -- What it wrote; NULL: nothing.
    package INTEGER REFERENCES package (id) ON DELETE SET NULL,
    PRIMARY KEY (generation, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX trigger_run_package ON trigger_run (package) WHERE package IS NOT NULL;

-- What became of the triggers that ran on the system itself, the last time that each ran. What they do lies
-- outside /usr, so it belongs to no generation.
CREATE TABLE system_trigger (
    name TEXT PRIMARY KEY CHECK (name <> ''),
    -- As in trigger_run.
    inputs TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'failed', 'ignored', 'inhibited')),
    output TEXT NOT NULL,
    seconds REAL NOT NULL,
    -- Seconds since 1970, UTC.
    run_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The generation that /usr holds, as far as the record knows; /usr/.stateID is the truth.
CREATE TABLE active (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL REFERENCES generation (id)
) STRICT;

-- The generation that the next boot is to switch to, where one was left to it (`--at-boot`).
CREATE TABLE pending (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL REFERENCES generation (id),
    -- As in model_file: the edited text that its model was made from.
    model_taken TEXT
) STRICT;

-- What moss knows of /etc/moss/system-model.kdl. No row: it never wrote it.
CREATE TABLE model_file (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- The text that says what the active generation is. A file with any other was edited. NULL: no text does.
    written TEXT,
    -- The text that is to be written there, before what is under way is done; NULL: none.
    next TEXT,
    -- The edited text that `next` was made from, which it may take the place of; NULL: none was.
    taken TEXT,
    -- 1: once `next` is there, the file says what the active generation is. 0: what was edited is still to be followed.
    settles INTEGER NOT NULL DEFAULT 1 CHECK (settles IN (0, 1))
) STRICT;

-- Archived trees that were looked at since they were live.
CREATE TABLE audited (
    generation INTEGER PRIMARY KEY REFERENCES generation (id) ON DELETE CASCADE,
    -- 1: it is exactly its layout. 0: something in it was not as it should be, and was told.
    clean INTEGER NOT NULL CHECK (clean IN (0, 1))
) STRICT;

-- What moss knew of a tree when it was done with it, see moss/seal.py. A tree without one is audited in full.
CREATE TABLE sealed (
    generation INTEGER PRIMARY KEY REFERENCES generation (id) ON DELETE CASCADE,
    -- Nanoseconds since 1970 by the file system's clock.
    at INTEGER NOT NULL,
    -- The names in the tree's top directory: JSON.
    top TEXT NOT NULL CHECK (json_valid(top))
) STRICT;

-- Generations that the boot loader tried as often as it may, and that did not say that they had come up.
CREATE TABLE failed_boot (
    generation INTEGER PRIMARY KEY REFERENCES generation (id) ON DELETE CASCADE,
    -- How often it was tried.
    tries INTEGER NOT NULL CHECK (tries >= 0),
    -- Seconds since 1970, UTC.
    noticed_at INTEGER NOT NULL
) STRICT;

-- The tree that the next generation is made in, by difference from the one it holds.
CREATE TABLE spare (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL REFERENCES generation (id),
    -- 0 from before the first change to it until it is live: then it is thrown away, never repaired.
    clean INTEGER NOT NULL CHECK (clean IN (0, 1))
) STRICT;

-- Every transaction there was; the one that is not over is what recovery looks at.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- install, remove, update, sync, activate, rollback …: the verb.
    operation TEXT NOT NULL,
    command TEXT NOT NULL,
    -- NULL: there was no generation before.
    from_generation INTEGER REFERENCES generation (id),
    -- NULL until the generation has its number.
    to_generation INTEGER REFERENCES generation (id) ON DELETE SET NULL,
    -- staging: nothing that /usr shows has changed. switching: the tree is complete and durable, the
    -- exchange may or may not have happened. switched: /usr shows the new generation, the rest follows.
    phase TEXT NOT NULL CHECK (phase IN ('staging', 'switching', 'switched', 'done', 'undone')),
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    CHECK ((phase IN ('done', 'undone')) = (finished_at IS NOT NULL))
) STRICT;
-- At most one transaction is under way.
CREATE UNIQUE INDEX journal_under_way ON journal ((1)) WHERE finished_at IS NULL;

-- Which packages a transaction changed. Written when one of its two generations is given up, and with it
-- the selection that says so; until then the two selections say it.
CREATE TABLE package_change (
    transaction_id INTEGER NOT NULL REFERENCES journal (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    architecture TEXT NOT NULL,
    -- The candidate keys before and after; NULL: it was not there.
    old_key TEXT,
    new_key TEXT,
    -- Of the old one: what people call it, and the reason it was there (as in selection).
    old_label TEXT,
    old_reason TEXT CHECK (json_valid(old_reason)),
    PRIMARY KEY (transaction_id, name, architecture),
    CHECK ((old_key IS NULL) = (old_label IS NULL) AND (old_key IS NULL) = (old_reason IS NULL))
) STRICT, WITHOUT ROWID;

-- Where packages come from. What they offer is in the repository cache, a file of its own.
CREATE TABLE repository (
    name TEXT PRIMARY KEY CHECK (name <> ''),
    uri TEXT NOT NULL,
    -- Higher wins.
    priority INTEGER NOT NULL,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    -- nobody: the person said that nobody needs to vouch for its content. root: signed metadata, whose root is
    -- pinned. keyring: OpenPGP keys. keys: a bundle's, those in pinned_key.
    vouched_by TEXT NOT NULL CHECK (vouched_by IN ('nobody', 'root', 'keyring', 'keys')),
    -- Of a root: the SHA-256 of its file, hexadecimal. Of a keyring: its path, or empty for the system's.
    pinned TEXT NOT NULL CHECK (vouched_by <> 'root' OR length(pinned) = 64),
    -- Days for which signed metadata are taken after they have expired.
    max_staleness INTEGER NOT NULL CHECK (max_staleness >= 0),
    added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where else a repository is to be had, in the order in which they are asked.
CREATE TABLE repository_mirror (
    repository TEXT NOT NULL REFERENCES repository (name) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= 0),
    uri TEXT NOT NULL,
    PRIMARY KEY (repository, position)
) STRICT, WITHOUT ROWID;

-- Files that were copied into /etc or /var from a generation's factory, as they were then:
-- what still has this digest was not touched by the admin and may follow the factory.
CREATE TABLE factory_copy (
    -- Relative to the root, no leading slash.
    path TEXT PRIMARY KEY CHECK (path <> ''),
    digest TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What the person set once for this system; a name that is missing has moss's default.
CREATE TABLE setting (
    -- retention: how many generations upkeep keeps.
    name TEXT PRIMARY KEY CHECK (name IN ('retention')),
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What tells this system from every other one, drawn when the record was made.
CREATE TABLE identity (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- 16 random bytes, hexadecimal.
    system TEXT NOT NULL CHECK (length(system) = 32)
) STRICT;
INSERT INTO identity (one, system) VALUES (1, lower(hex(randomblob(16))));

-- Whose bundles this system takes.
CREATE TABLE pinned_key (
    name TEXT PRIMARY KEY CHECK (name <> ''),
    -- Ed25519, 32 bytes.
    public BLOB NOT NULL UNIQUE CHECK (length(public) = 32),
    pinned_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest bundle of each exporter that was taken, or made here. Never goes back, whatever becomes
-- of generations and of pinned keys: an older bundle is not taken again.
CREATE TABLE bundle_counter (
    -- The exporting system's identity.
    system TEXT NOT NULL,
    -- The key that signed; empty where nobody did.
    public BLOB NOT NULL CHECK (length(public) IN (0, 32)),
    counter INTEGER NOT NULL,
    PRIMARY KEY (system, public)
) STRICT, WITHOUT ROWID;

-- What subscriptions mean, as the bundle said whose generation was taken last: files in the order of their precedence.
-- The admin's own files and repositories go before them.
CREATE TABLE carried_definition (
    position INTEGER PRIMARY KEY,
    -- The exporter's file, as the person is told of it.
    file TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;

-- Where the person said that boot entries are kept. No row: on the running system they are kept where its
-- partitions are mounted, on another root there are none.
CREATE TABLE boot_place (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- Directories that are, or stand for, the EFI system partition and $BOOT.
    esp TEXT NOT NULL CHECK (esp <> ''),
    boot TEXT NOT NULL CHECK (boot <> '')
) STRICT;
