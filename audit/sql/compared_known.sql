-- Which of these names are replays or jobs that the ledger knows.
SELECT name
FROM unnest(%(names)s::text[]) AS name
WHERE
    EXISTS (SELECT 1 FROM runs AS r WHERE r.replay_id = name AND r.replay_id <> '')
    OR EXISTS (SELECT 1 FROM jobs AS j WHERE j.job_id::text = name)
