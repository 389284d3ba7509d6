-- What a release delivered so far of what one hold kept, and what people say of it since: of each, the newest word.
SELECT
    count(*) AS released,
    count(*) FILTER (WHERE said.touched) AS touched,
    count(*) FILTER (WHERE said.wrong) AS wrong,
    count(*) FILTER (WHERE said.recalled) AS recalled
FROM (
    SELECT DISTINCT v.event_id, v.job_id, v.asset_sha256
    FROM verdicts AS h
    JOIN verdicts AS v ON v.job_id = h.job_id AND v.replay_id = h.replay_id AND v.attempt = h.attempt
    WHERE
        h.record = 'AssetHeld' AND h.hold_id = %(hold_id)s
        AND v.record = 'AssetApproved' AND v.decided_by LIKE 'release by %%'
) AS let_go
CROSS JOIN LATERAL (
    SELECT
        EXISTS (
            SELECT FROM touch_ups AS t WHERE t.job_id = let_go.job_id AND t.asset_sha256 = let_go.asset_sha256
        ) AS touched,
        EXISTS (
            SELECT FROM (
                SELECT DISTINCT ON (w.who) w.defects
                FROM words AS w
                WHERE w.job_id = let_go.job_id AND w.asset_sha256 = let_go.asset_sha256
                ORDER BY w.who, w.at_ms DESC, w.event_id
            ) AS newest
            WHERE newest.defects <> '[]'::jsonb
        ) AS wrong,
        EXISTS (SELECT FROM recalls AS r WHERE r.approval_id = let_go.event_id) AS recalled
) AS said
