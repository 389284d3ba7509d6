-- A dead letter says of which run its record was: an original and its replay may wait at one stage side by side.

ALTER TABLE dead_letters ADD COLUMN replay_id text;

COMMENT ON COLUMN dead_letters.replay_id IS 'Of the run that its record belongs to, empty for a job''s own; null where the record cannot be read, and on letters from before this column.';

CREATE OR REPLACE VIEW given_up AS
SELECT r.job_id, r.replay_id
FROM runs AS r
WHERE EXISTS (
    SELECT FROM dead_letters AS d
    WHERE
        d.job_id = r.job_id AND (d.replay_id = r.replay_id OR d.replay_id IS NULL) AND d.at_ms >= r.at_ms
        AND CASE r.state
            WHEN 'submitted' THEN d.origin_topic = CASE r.replay_id WHEN '' THEN 'prompts' ELSE 'replay.requests' END
            WHEN 'routed' THEN d.origin_topic LIKE 'render.%'
            WHEN 'rendered' THEN d.origin_topic = 'images.generated'
            WHEN 'inspected' THEN d.origin_topic = 'images.inspected'
            WHEN 'rejected' THEN d.origin_topic = 'replay'
            ELSE false
        END
);

COMMENT ON VIEW given_up IS 'A letter counts for its own run, and where that is not known for each run of its job that waits where it was given up; never for one that has moved since.';
