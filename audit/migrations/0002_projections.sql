-- What the ledger says about jobs, in tables that can be asked. Written in the transaction that appends the rows;
-- nothing here is the truth: `audit verify` checks the ledger, and these can be made again from it.

CREATE TABLE jobs (
    job_id          uuid    PRIMARY KEY,
    idempotency_key text    NOT NULL,
    prompt          text    NOT NULL,
    campaign        text    NOT NULL,
    brand           text    NOT NULL,
    lane            text    NOT NULL,
    required_text   jsonb   NOT NULL,
    submitted_at_ms bigint  NOT NULL
);

CREATE INDEX jobs_campaign ON jobs (campaign, submitted_at_ms);
CREATE INDEX jobs_submitted ON jobs (submitted_at_ms);

-- One way of a job through the pipeline: its own (replay_id is empty), or one that a replay asked for.
CREATE TABLE runs (
    job_id        uuid     NOT NULL,
    replay_id     text     NOT NULL,
    state         text     NOT NULL,
    attempt       integer  NOT NULL,
    rank          smallint NOT NULL,
    at_ms         bigint   NOT NULL,
    engine        text,
    reasons       jsonb,
    ruleset_id    text,
    started_at_ms bigint,
    ended_at_ms   bigint,
    PRIMARY KEY (job_id, replay_id),
    CONSTRAINT runs_state CHECK (state IN (
        'new', 'submitted', 'routed', 'rendered', 'inspected', 'rejected', 'refused', 'approved', 'review', 'held'
    ))
);

COMMENT ON COLUMN runs.rank IS 'How far within the attempt: topics come in any order, and only a later record changes the state.';
COMMENT ON COLUMN runs.ended_at_ms IS 'The first terminal event; a reviewer may decide later.';
COMMENT ON COLUMN runs.reasons IS 'Why a prompt was refused; the reasons of verdicts are in verdicts.';

CREATE TABLE attempts (
    job_id          uuid    NOT NULL,
    replay_id       text    NOT NULL,
    attempt         integer NOT NULL,
    rung            text    NOT NULL,
    rule            text    NOT NULL,
    engine          text    NOT NULL,
    lane            text    NOT NULL,
    risk            text    NOT NULL,
    ruleset_id      text    NOT NULL,
    scheduler       text    NOT NULL,
    steps           integer NOT NULL,
    guidance        double precision NOT NULL,
    seed            bigint  NOT NULL,
    wants_text      boolean NOT NULL,
    requested_at_ms bigint,
    outcome         text,
    backend         text,
    model_digest    text,
    device          text,
    failure_kind    text,
    failure_message text,
    asset_sha256    text,
    media_type      text,
    size_bytes      bigint,
    manifest_sha256 text,
    engine_ms       double precision,
    batch_size      integer,
    cost_usd        double precision,
    generated_at_ms bigint,
    inspect_ms      double precision,
    inspected_at_ms bigint,
    PRIMARY KEY (job_id, replay_id, attempt)
);

COMMENT ON COLUMN attempts.engine_ms IS 'Engine time of this image: the time of its batch over the images in it.';

CREATE TABLE measurements (
    job_id    uuid     NOT NULL,
    replay_id text     NOT NULL,
    attempt   integer  NOT NULL,
    number    smallint NOT NULL,
    "check"   text     NOT NULL,
    name      text     NOT NULL,
    value     double precision NOT NULL,
    PRIMARY KEY (job_id, replay_id, attempt, number)
);

CREATE TABLE verdicts (
    event_id     uuid    PRIMARY KEY,
    job_id       uuid    NOT NULL,
    replay_id    text    NOT NULL,
    attempt      integer NOT NULL,
    verdict      text    NOT NULL CHECK (verdict IN ('accept', 'reject', 'review')),
    record       text    NOT NULL,
    decided_by   text    NOT NULL,
    ruleset_id   text    NOT NULL,
    scores       jsonb   NOT NULL,
    reasons      jsonb   NOT NULL,
    repair_rung  text,
    hold_id      text,
    asset_sha256 text,
    at_ms        bigint  NOT NULL
);

CREATE INDEX verdicts_attempt ON verdicts (job_id, replay_id, attempt);

CREATE TABLE defects (
    event_id  uuid     NOT NULL,
    number    smallint NOT NULL,
    mode      text     NOT NULL,
    "check"   text     NOT NULL,
    value     double precision NOT NULL,
    threshold double precision NOT NULL,
    evidence  text     NOT NULL,
    certain   boolean  NOT NULL,
    PRIMARY KEY (event_id, number)
);

CREATE TABLE touch_ups (
    event_id     uuid   PRIMARY KEY,
    job_id       uuid   NOT NULL,
    asset_sha256 text   NOT NULL,
    minutes      double precision NOT NULL,
    defect       text   NOT NULL,
    who          text   NOT NULL,
    at_ms        bigint NOT NULL
);

CREATE INDEX touch_ups_job ON touch_ups (job_id);

CREATE TABLE dead_letters (
    event_id         uuid    PRIMARY KEY,
    stage            text    NOT NULL,
    kind             text    NOT NULL,
    error            text    NOT NULL,
    origin_topic     text    NOT NULL,
    origin_partition integer NOT NULL,
    origin_offset    bigint  NOT NULL,
    job_id           uuid,
    at_ms            bigint  NOT NULL
);
