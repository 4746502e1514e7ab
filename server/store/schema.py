"""The tables, as numbered steps that only go forward.

What is written often is small and has few indexes, each of which answers a query that would
otherwise walk a million rows. States, kinds and streams are the integers of
:mod:`server.store.codes`.
"""

from __future__ import annotations

from typing import Final

FIRST = """
-- Names that many jobs share, written once.
CREATE TABLE classes (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    type TEXT NOT NULL,
    requires TEXT NOT NULL,
    pin INTEGER NOT NULL,
    UNIQUE (queue, type, requires, pin)
);
CREATE TABLE submitters (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    origin TEXT NOT NULL,
    namespace TEXT NOT NULL,
    UNIQUE (owner, origin, namespace)
);
-- A class and a submitter: one index over these answers filters on all that is in either.
CREATE TABLE facets (
    id INTEGER PRIMARY KEY,
    cls INTEGER NOT NULL,
    submitter INTEGER NOT NULL,
    UNIQUE (cls, submitter)
);

-- The hot row. What a scan looks at stands first.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    state INTEGER NOT NULL,
    facet INTEGER NOT NULL,
    cls INTEGER NOT NULL,
    runner INTEGER NOT NULL DEFAULT 0,
    rank INTEGER NOT NULL,
    since INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    losses INTEGER NOT NULL,
    wanted INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    target INTEGER NOT NULL,
    uuid TEXT NOT NULL
);
CREATE UNIQUE INDEX jobs_uuid ON jobs (uuid);
CREATE INDEX jobs_facet ON jobs (facet);
CREATE INDEX jobs_ready ON jobs (cls, rank, id) WHERE state = 1;
CREATE INDEX jobs_due ON jobs (run_at) WHERE state = 0;
CREATE INDEX jobs_deadline ON jobs (deadline) WHERE state < 2 AND deadline > 0;
CREATE INDEX jobs_final ON jobs (state, since) WHERE state > 4;
CREATE INDEX jobs_runner ON jobs (runner) WHERE runner > 0;

CREATE TABLE job_details (
    job INTEGER PRIMARY KEY,
    submitter INTEGER NOT NULL,
    timeout_ms INTEGER NOT NULL,
    retry TEXT,
    cache_key TEXT,
    parent INTEGER NOT NULL,
    resubmit_of INTEGER NOT NULL,
    trace TEXT,
    extra BLOB,
    params BLOB NOT NULL
);
CREATE INDEX details_parent ON job_details (parent) WHERE parent > 0;
CREATE INDEX details_resubmit ON job_details (resubmit_of) WHERE resubmit_of > 0;

-- previous: the attempt before it of the same job; a job's attempts are that chain.
-- is_live: not ended; a column of its own, so that other changes of state leave the index alone.
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    number INTEGER NOT NULL,
    runner INTEGER NOT NULL,
    session INTEGER NOT NULL,
    state INTEGER NOT NULL,
    offered_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    stop_at INTEGER NOT NULL,
    stop_grace INTEGER NOT NULL,
    stop_kill INTEGER NOT NULL,
    outcome INTEGER,
    is_live INTEGER NOT NULL DEFAULT 1,
    phase TEXT NOT NULL,
    uuid TEXT NOT NULL,
    result BLOB
);
CREATE UNIQUE INDEX attempts_uuid ON attempts (uuid);
CREATE INDEX attempts_live ON attempts (job) WHERE is_live = 1;

-- Error texts repeat: each is kept once, with the form a filter searches in. An outcome has a row
-- where there is more to say than its kind and result.
CREATE TABLE causes (
    id INTEGER PRIMARY KEY,
    digest INTEGER NOT NULL,
    type TEXT NOT NULL,
    message TEXT NOT NULL,
    folded TEXT NOT NULL
);
CREATE INDEX causes_digest ON causes (digest);
CREATE TABLE outcomes (
    attempt INTEGER PRIMARY KEY,
    cause INTEGER NOT NULL,
    code TEXT NOT NULL,
    exit_code INTEGER,
    signal INTEGER,
    retry_after_ms INTEGER,
    is_retryable INTEGER NOT NULL,
    details BLOB
);
CREATE INDEX outcomes_cause ON outcomes (cause) WHERE cause > 0;
CREATE TABLE progress (
    attempt INTEGER PRIMARY KEY,
    heard_at INTEGER NOT NULL,
    current REAL,
    total REAL,
    text TEXT
);

CREATE TABLE streams (
    attempt INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    size INTEGER NOT NULL,
    gap_from INTEGER NOT NULL,
    gap_to INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    is_kept INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (attempt, stream)
) WITHOUT ROWID;
CREATE INDEX streams_kept ON streams (attempt) WHERE is_kept = 1;
CREATE TABLE chunks (
    attempt INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    at INTEGER NOT NULL,
    size INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (attempt, stream, generation, offset)
) WITHOUT ROWID;

CREATE TABLE event_kinds (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    job INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    runner INTEGER NOT NULL,
    queue TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    data BLOB,
    members TEXT
);
CREATE INDEX events_runner ON events (runner) WHERE runner > 0;
CREATE INDEX events_actor ON events (actor);
CREATE INDEX events_kind ON events (kind);
-- Which events concern which jobs, by blocks of 64 job ids: a batch of neighbours is one row.
CREATE TABLE event_blocks (
    block INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (block, seq)
) WITHOUT ROWID;

CREATE TABLE late_writes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    job INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    runner INTEGER NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX late_writes_attempt ON late_writes (attempt);
CREATE TABLE tombstones (
    uuid TEXT PRIMARY KEY,
    job INTEGER NOT NULL,
    type TEXT NOT NULL,
    deleted_at INTEGER NOT NULL,
    deleted_by TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX tombstones_age ON tombstones (deleted_at);

CREATE TABLE cache (
    key TEXT PRIMARY KEY,
    job INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX cache_job ON cache (job);
CREATE INDEX cache_expiry ON cache (expires_at) WHERE expires_at > 0;
CREATE TABLE idempotency (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    jobs TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (owner, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (at);
CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    digest TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE queues (
    name TEXT PRIMARY KEY,
    slots INTEGER,
    stall_after_ms INTEGER NOT NULL,
    paused_at INTEGER NOT NULL,
    paused_by TEXT NOT NULL,
    pause_reason TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE runners (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid TEXT NOT NULL UNIQUE,
    protocol TEXT NOT NULL,
    identity TEXT NOT NULL,
    name TEXT NOT NULL,
    capacity INTEGER NOT NULL,
    types TEXT NOT NULL,
    labels TEXT NOT NULL,
    address TEXT NOT NULL,
    version TEXT NOT NULL,
    registered_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    draining_since INTEGER NOT NULL,
    drain_deadline INTEGER NOT NULL,
    drain_reason TEXT NOT NULL,
    drained_by TEXT NOT NULL,
    is_forgotten INTEGER NOT NULL,
    UNIQUE (protocol, identity)
);
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid TEXT NOT NULL UNIQUE,
    runner INTEGER NOT NULL,
    protocol TEXT NOT NULL,
    nonce TEXT NOT NULL,
    secret_digest TEXT NOT NULL,
    coordinator TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    end_reason TEXT NOT NULL
);
CREATE INDEX sessions_nonce ON sessions (runner, nonce);
CREATE INDEX sessions_open ON sessions (id) WHERE ended_at = 0;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at > 0;

-- Counters, kept in the transaction that changes what they count.
CREATE TABLE counts (
    cls INTEGER NOT NULL,
    state INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (cls, state)
) WITHOUT ROWID;
CREATE TABLE activity (
    minute INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    key INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (minute, kind, key)
) WITHOUT ROWID;
-- Highest ids ever given, where the rows that had them may be gone.
CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""

CARRIED_AND_SCHEDULED = """
-- What travels with a job to its runner, how long its cache key holds, which schedule made it.
ALTER TABLE job_details ADD COLUMN correlation TEXT;
ALTER TABLE job_details ADD COLUMN cache_ttl_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job_details ADD COLUMN schedule INTEGER NOT NULL DEFAULT 0;
CREATE INDEX details_schedule ON job_details (schedule, job) WHERE schedule > 0;

-- deleted_at: a deleted schedule keeps its row while jobs name it, and has it back when made anew.
CREATE TABLE schedules (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    cron TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    overlap TEXT NOT NULL,
    catch_up_ms INTEGER NOT NULL,
    task TEXT NOT NULL,
    params BLOB NOT NULL,
    owner TEXT NOT NULL,
    origin TEXT NOT NULL,
    is_configured INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL,
    paused_at INTEGER NOT NULL,
    paused_by TEXT NOT NULL,
    pause_reason TEXT NOT NULL,
    next_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    last_job INTEGER NOT NULL,
    fired INTEGER NOT NULL,
    skipped INTEGER NOT NULL
);
"""

RANGES = """
-- Jobs over a cursor range. What they are done in are jobs of their own, the pieces; what needs no
-- piece (any more), neighbours as one, are the spans. cut: the last unit looked at for pieces.
CREATE TABLE ranges (
    job INTEGER PRIMARY KEY,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    cut INTEGER NOT NULL,
    covered INTEGER NOT NULL,
    left_out INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    alike TEXT NOT NULL,
    is_open INTEGER NOT NULL,
    problem TEXT NOT NULL
);
CREATE INDEX ranges_open ON ranges (job) WHERE is_open = 1;
CREATE INDEX ranges_alike ON ranges (alike, high);
CREATE TABLE spans (
    parent INTEGER NOT NULL,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    PRIMARY KEY (parent, low)
) WITHOUT ROWID;
CREATE TABLE pieces (
    job INTEGER PRIMARY KEY,
    parent INTEGER NOT NULL,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    is_open INTEGER NOT NULL
);
CREATE INDEX pieces_open ON pieces (parent, low) WHERE is_open = 1;
"""

ENDPOINTS = """
-- Where a runner wants to be called, if it says so itself.
ALTER TABLE runners ADD COLUMN endpoint TEXT NOT NULL DEFAULT '';
"""

EVENT_PAGES = """
-- Which pages of 256 event numbers hold events about what: 0 a block of 64 jobs, 1 a runner,
-- 2 a kind, 3 an actor. The events themselves need no index of their own then.
CREATE TABLE event_pages (
    about INTEGER NOT NULL,
    key NOT NULL,
    page INTEGER NOT NULL,
    PRIMARY KEY (about, key, page)
) WITHOUT ROWID;
CREATE INDEX event_pages_page ON event_pages (page);
INSERT INTO event_pages SELECT DISTINCT 0, block, seq / 256 FROM event_blocks;
INSERT INTO event_pages SELECT DISTINCT 1, runner, seq / 256 FROM events WHERE runner > 0;
INSERT INTO event_pages SELECT DISTINCT 2, kind, seq / 256 FROM events;
INSERT INTO event_pages SELECT DISTINCT 3, actor, seq / 256 FROM events;
DROP TABLE event_blocks;
DROP INDEX events_runner;
DROP INDEX events_actor;
DROP INDEX events_kind;
"""

SURROUNDINGS = """
-- What was around an attempt's process, and what it used. Most attempts are no process.
CREATE TABLE surroundings (
    attempt INTEGER PRIMARY KEY,
    isolation TEXT NOT NULL,
    cpu_seconds REAL,
    peak_memory_bytes INTEGER,
    io_bytes INTEGER
);
"""

WIDER_PAGES = """
-- A page has 1,024 event numbers, not 256: a quarter of the rows, and of the places they are at.
CREATE TEMP TABLE wider AS SELECT DISTINCT about, key, page / 4 AS page FROM event_pages;
DELETE FROM event_pages;
INSERT INTO event_pages (about, key, page) SELECT about, key, page FROM wider;
DROP TABLE wider;
"""

RUNNERS_BY_BLOCKS = """
-- Runners take jobs in the order of their numbers. By blocks of 1,024 numbers, what many runners
-- take at once comes to few places; by runners alone each of them had a place of its own.
DROP INDEX jobs_runner;
CREATE INDEX jobs_runner ON jobs (id >> 10, runner) WHERE runner <> 0;
"""

MIGRATIONS: Final[tuple[str, ...]] = (
    FIRST,
    CARRIED_AND_SCHEDULED,
    RANGES,
    ENDPOINTS,
    EVENT_PAGES,
    SURROUNDINGS,
    WIDER_PAGES,
    RUNNERS_BY_BLOCKS,
)
"""Step n brings a database from version n to n + 1. Steps that were released never change."""
