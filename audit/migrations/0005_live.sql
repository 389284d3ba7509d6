-- What changes while work flows: roll-outs, their steps, and the verdicts that decide them.

ALTER TABLE attempts
    ADD COLUMN rollout_id text,
    ADD COLUMN arm text CHECK (arm IN ('stable', 'candidate')),
    ADD COLUMN shadow boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN attempts.shadow IS 'The twin of a paired job: measured and compared, never repaired and never delivered.';

CREATE INDEX attempts_rollout ON attempts (rollout_id, arm, shadow) WHERE rollout_id IS NOT NULL AND attempt = 0;

-- The first verdict of each job of a roll-out, and of each shadow: what its guards are decided by.
CREATE TABLE first_verdicts (
    rollout_id text    NOT NULL,
    stored     bigint  NOT NULL GENERATED ALWAYS AS IDENTITY,
    job_id     uuid    NOT NULL,
    shadow     boolean NOT NULL,
    arm        text    NOT NULL CHECK (arm IN ('stable', 'candidate')),
    artifact   boolean NOT NULL,
    modes      jsonb   NOT NULL CHECK (jsonb_typeof(modes) = 'array'),
    latency_ms double precision,
    event_id   uuid    NOT NULL,
    PRIMARY KEY (rollout_id, job_id, shadow)
);

CREATE UNIQUE INDEX first_verdicts_stored ON first_verdicts (rollout_id, stored);

COMMENT ON COLUMN first_verdicts.stored IS 'Their order: one sink at a time writes, so a later transaction has higher numbers. With gaps.';
COMMENT ON COLUMN first_verdicts.modes IS 'Failure modes of the defects that are certain; artifact says whether there are any.';
COMMENT ON COLUMN first_verdicts.latency_ms IS 'From the submission of the job to this verdict; null for a shadow.';

-- Every step of every roll-out: its topic keeps the newest one alone.
CREATE TABLE rollout_steps (
    event_id   uuid    PRIMARY KEY,
    rollout_id text    NOT NULL,
    state      text    NOT NULL CHECK (state IN ('running', 'paused', 'completed', 'rolled_back', 'aborted')),
    stage      integer NOT NULL,
    percent    integer NOT NULL,
    position   bigint  NOT NULL,
    numbers    jsonb   NOT NULL,
    reason     text    NOT NULL,
    who        text    NOT NULL,
    at_ms      bigint  NOT NULL
);

CREATE INDEX rollout_steps_order ON rollout_steps (rollout_id, at_ms);

COMMENT ON COLUMN rollout_steps.position IS 'first_verdicts.stored of the last verdict that had been counted when this stage, or this end, was decided; 0 at the start.';

-- How the roll-out stood when its controller last looked: for whoever asks. Not part of the record.
CREATE TABLE rollout_looks (
    rollout_id text    PRIMARY KEY,
    position   bigint  NOT NULL,
    numbers    jsonb   NOT NULL,
    reason     text    NOT NULL,
    at_ms      bigint  NOT NULL
);

-- Delivered assets that were taken back.
ALTER TABLE runs DROP CONSTRAINT runs_state;
ALTER TABLE runs ADD CONSTRAINT runs_state CHECK (state IN (
    'new', 'submitted', 'routed', 'rendered', 'inspected', 'rejected', 'refused', 'approved', 'review', 'held',
    'recalled'
));

CREATE TABLE recalls (
    event_id     uuid   PRIMARY KEY,
    job_id       uuid   NOT NULL,
    replay_id    text   NOT NULL,
    approval_id  uuid   NOT NULL,
    asset_sha256 text   NOT NULL,
    defects      jsonb  NOT NULL CHECK (jsonb_typeof(defects) = 'array'),
    ruleset_id   text,
    recovery_id  text,
    who          text   NOT NULL,
    why          text   NOT NULL,
    at_ms        bigint NOT NULL
);

CREATE UNIQUE INDEX recalls_approval ON recalls (approval_id);
CREATE INDEX recalls_job ON recalls (job_id);

-- What operators did, in words for those who ask later why the figures moved.
CREATE TABLE operations (
    event_id uuid   PRIMARY KEY,
    kind     text   NOT NULL CHECK (kind IN ('hold', 'recovery', 'replay', 'rollout', 'ruleset', 'share')),
    subject  text   NOT NULL,
    step     text   NOT NULL,
    numbers  jsonb  NOT NULL,
    who      text   NOT NULL,
    why      text   NOT NULL,
    at_ms    bigint NOT NULL
);

CREATE INDEX operations_time ON operations (at_ms);
CREATE INDEX operations_shares ON operations (at_ms) WHERE kind = 'share';

-- What a report asks of a window of time.
ALTER TABLE attempts ADD COLUMN tags jsonb NOT NULL DEFAULT '[]';

COMMENT ON COLUMN attempts.tags IS 'Tags that sanity gave to the prompt; empty on attempts from before this column.';

CREATE INDEX attempts_requested ON attempts (requested_at_ms);
CREATE INDEX verdicts_time ON verdicts (at_ms);
CREATE INDEX touch_ups_time ON touch_ups (at_ms);
CREATE INDEX runs_replay ON runs (replay_id) WHERE replay_id <> '';

-- Runs that wait for a record which a stage gave up: nothing more comes of them by themselves.
CREATE VIEW given_up AS
SELECT r.job_id, r.replay_id
FROM runs AS r
WHERE EXISTS (
    SELECT FROM dead_letters AS d
    WHERE
        d.job_id = r.job_id AND d.at_ms >= r.at_ms
        AND CASE r.state
            WHEN 'submitted' THEN d.origin_topic = CASE r.replay_id WHEN '' THEN 'prompts' ELSE 'replay.requests' END
            WHEN 'routed' THEN d.origin_topic LIKE 'render.%'
            WHEN 'rendered' THEN d.origin_topic = 'images.generated'
            WHEN 'inspected' THEN d.origin_topic = 'images.inspected'
            WHEN 'rejected' THEN d.origin_topic = 'replay'
            ELSE false
        END
);

COMMENT ON VIEW given_up IS 'A letter names its job and not its run: it counts for runs that have not moved since, and wait where it was given up.';

CREATE INDEX dead_letters_job ON dead_letters (job_id);
