-- Images that one organisation may have in flight at a hosted engine: a row for each, held by one call at a time.
-- Not part of the record: a row says only who holds the slot now, and until when.

CREATE TABLE slots (
    pool       text     NOT NULL CHECK (pool <> ''),
    number     smallint NOT NULL CHECK (number >= 0),
    holder     uuid,
    expires_at timestamptz,
    PRIMARY KEY (pool, number),
    CONSTRAINT slots_held CHECK ((holder IS NULL) = (expires_at IS NULL))
);

COMMENT ON COLUMN slots.pool IS 'API and a hash of its key: all workers with one key share one pool. Never the key.';
COMMENT ON COLUMN slots.expires_at IS 'By the database''s clock. A holder that was killed renews no more, and its slot is free from then on.';
