-- Rows point at each other by small integers; the names people see live once, in their own table.

CREATE TABLE experiments (
    -- AUTOINCREMENT: an id is never given out twice. 0 is kept for `Default`, as in MLflow.
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT    NOT NULL UNIQUE,
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE runs (
    id            INTEGER PRIMARY KEY,
    run_id        TEXT    NOT NULL UNIQUE,
    experiment    INTEGER NOT NULL REFERENCES experiments (id),
    name          TEXT    NOT NULL,
    user          TEXT    NOT NULL,
    status        TEXT    NOT NULL
        CHECK (status IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
    started_at_ms INTEGER NOT NULL,
    ended_at_ms   INTEGER
) STRICT;

CREATE INDEX runs_by_experiment ON runs (experiment, started_at_ms);

CREATE TABLE params (
    run   INTEGER NOT NULL REFERENCES runs (id),
    key   TEXT    NOT NULL,
    value TEXT    NOT NULL,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE tags (
    run   INTEGER NOT NULL REFERENCES runs (id),
    key   TEXT    NOT NULL,
    value TEXT    NOT NULL,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE metric_keys (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
) STRICT;

-- One B-tree, clustered by what is read together: the points of one metric of one run. All columns
-- are in the key, so a point sent twice is one point and there is no second index to pay for.
-- SQLite has no NaN: such a point has value 0 and is_nan 1.
CREATE TABLE metrics (
    run          INTEGER NOT NULL REFERENCES runs (id),
    key          INTEGER NOT NULL REFERENCES metric_keys (id),
    step         INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    value        REAL    NOT NULL,
    is_nan       INTEGER NOT NULL CHECK (is_nan IN (0, 1)),
    PRIMARY KEY (run, key, step, timestamp_ms, value, is_nan)
) STRICT, WITHOUT ROWID;

CREATE TABLE latest_metrics (
    run          INTEGER NOT NULL REFERENCES runs (id),
    key          INTEGER NOT NULL REFERENCES metric_keys (id),
    step         INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    value        REAL    NOT NULL,
    is_nan       INTEGER NOT NULL CHECK (is_nan IN (0, 1)),
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE lineages (
    run         INTEGER PRIMARY KEY REFERENCES runs (id),
    commit_id   TEXT,
    dirty       INTEGER NOT NULL CHECK (dirty IN (0, 1)),
    stage       TEXT,
    command     TEXT    NOT NULL,
    environment TEXT
) STRICT;

CREATE INDEX lineages_by_commit ON lineages (commit_id) WHERE commit_id IS NOT NULL;

CREATE TABLE lineage_artifacts (
    run       INTEGER NOT NULL REFERENCES lineages (run),
    direction TEXT    NOT NULL CHECK (direction IN ('input', 'output')),
    position  INTEGER NOT NULL,
    path      TEXT    NOT NULL,
    md5       TEXT    NOT NULL,
    size      INTEGER NOT NULL CHECK (size >= 0),
    PRIMARY KEY (run, direction, position),
    UNIQUE (run, direction, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE registered_models (
    id            INTEGER PRIMARY KEY,
    name          TEXT    NOT NULL UNIQUE,
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE model_versions (
    model         INTEGER NOT NULL REFERENCES registered_models (id),
    version       INTEGER NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    run           INTEGER NOT NULL REFERENCES runs (id),
    source        TEXT    NOT NULL,
    digest        TEXT    NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (model, version),
    -- Registering the same bytes of the same run again is the same version.
    UNIQUE (model, run, digest)
) STRICT;

CREATE INDEX model_versions_by_digest ON model_versions (digest);
CREATE INDEX model_versions_by_run ON model_versions (run);

CREATE TABLE model_version_tags (
    model   INTEGER NOT NULL,
    version INTEGER NOT NULL,
    key     TEXT    NOT NULL,
    value   TEXT    NOT NULL,
    PRIMARY KEY (model, version, key),
    FOREIGN KEY (model, version) REFERENCES model_versions (model, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE aliases (
    model   INTEGER NOT NULL,
    alias   TEXT    NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (model, alias),
    FOREIGN KEY (model, version) REFERENCES model_versions (model, version)
) STRICT, WITHOUT ROWID;

-- Only ever added to, in the transaction that changes `aliases`. No version before: the alias was
-- new. No version after: it was deleted.
CREATE TABLE alias_history (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    model        INTEGER NOT NULL REFERENCES registered_models (id),
    alias        TEXT    NOT NULL,
    from_version INTEGER,
    to_version   INTEGER,
    at_ms        INTEGER NOT NULL,
    actor        TEXT    NOT NULL,
    reason       TEXT    NOT NULL
) STRICT;

CREATE INDEX alias_history_by_alias ON alias_history (model, alias);
