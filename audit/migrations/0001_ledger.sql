-- The ledger: every record of every topic, each row bound to the one before it in its partition by a hash.

CREATE TABLE ledger (
    topic         text    NOT NULL CHECK (topic <> ''),
    partition     integer NOT NULL CHECK (partition >= 0),
    generation    integer NOT NULL CHECK (generation >= 0),
    "offset"      bigint  NOT NULL CHECK ("offset" >= 0),
    position      bigint  NOT NULL CHECK (position >= 0),
    timestamp_ms  bigint  NOT NULL,
    key           bytea,
    value         bytea,
    headers       bytea[] NOT NULL,
    record        text,
    job_id        uuid,
    previous_hash bytea   NOT NULL CHECK (octet_length(previous_hash) = 32),
    hash          bytea   NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (topic, partition, generation, "offset")
);

COMMENT ON COLUMN ledger.generation IS 'Counts up when the broker lost or remade the partition and offsets began anew.';
COMMENT ON COLUMN ledger.position IS 'Rows before this one in the topic partition. Offsets have gaps (markers of transactions), positions none.';
COMMENT ON COLUMN ledger.headers IS 'Name, value, name, value, in the order of the record; a value may be null.';
COMMENT ON COLUMN ledger.record IS 'Name of the record; null where the value could not be decoded.';

CREATE INDEX ledger_job ON ledger (job_id) WHERE job_id IS NOT NULL;

-- Where each partition stands: written in the transaction that appends its rows, so a sink that was killed goes on
-- exactly here, and rows cut from the tail are missed.
CREATE TABLE ledger_heads (
    topic       text    NOT NULL,
    partition   integer NOT NULL,
    generation  integer NOT NULL,
    rows        bigint  NOT NULL CHECK (rows >= 0),
    last_offset bigint  NOT NULL CHECK (last_offset >= -1),
    next_offset bigint  NOT NULL CHECK (next_offset >= 0),
    hash        bytea   NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (topic, partition)
);

COMMENT ON COLUMN ledger_heads.last_offset IS 'Offset of the newest row; -1 before the first.';
COMMENT ON COLUMN ledger_heads.next_offset IS 'Where to read on; past last_offset + 1 where only markers of transactions follow.';

-- What the broker no longer had when it was asked: expired before it was read, or lost.
CREATE TABLE ledger_gaps (
    topic         text    NOT NULL,
    partition     integer NOT NULL,
    generation    integer NOT NULL,
    from_offset   bigint  NOT NULL,
    to_offset     bigint  NOT NULL,
    reason        text    NOT NULL CHECK (reason IN ('expired', 'lost')),
    noticed_at_ms bigint  NOT NULL,
    PRIMARY KEY (topic, partition, generation, from_offset, reason)
);

COMMENT ON COLUMN ledger_gaps.from_offset IS 'First offset wanted.';
COMMENT ON COLUMN ledger_gaps.to_offset IS 'Offset at which reading went on; below from_offset where the partition began anew.';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: it is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE FUNCTION refuse_step_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.rows < OLD.rows OR (NEW.generation, NEW.next_offset) < (OLD.generation, OLD.next_offset)
        OR (NEW.rows = OLD.rows AND NEW.hash <> OLD.hash) THEN
        RAISE EXCEPTION 'the head of %/% may only move on', OLD.topic, OLD.partition
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_gaps_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_gaps
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_heads_kept BEFORE DELETE OR TRUNCATE ON ledger_heads
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_heads_forward BEFORE UPDATE ON ledger_heads
    FOR EACH ROW EXECUTE FUNCTION refuse_step_back();

-- ALWAYS: also for a session that plays replica, which would else pass every trigger by.
ALTER TABLE ledger ENABLE ALWAYS TRIGGER ledger_append_only;
ALTER TABLE ledger_gaps ENABLE ALWAYS TRIGGER ledger_gaps_append_only;
ALTER TABLE ledger_heads ENABLE ALWAYS TRIGGER ledger_heads_kept;
ALTER TABLE ledger_heads ENABLE ALWAYS TRIGGER ledger_heads_forward;
