-- Hand work reported and reviews asked for in a window.
SELECT
    (SELECT count(*) FROM touch_ups WHERE at_ms >= %(from_ms)s AND at_ms < %(to_ms)s) AS touch_ups,
    (
        SELECT COALESCE(sum(minutes), 0) FROM touch_ups WHERE at_ms >= %(from_ms)s AND at_ms < %(to_ms)s
    ) AS touch_minutes,
    (
        SELECT count(*) FROM verdicts
        WHERE record = 'ReviewRequested' AND at_ms >= %(from_ms)s AND at_ms < %(to_ms)s
    ) AS reviews,
    (SELECT count(*) FROM recalls WHERE at_ms >= %(from_ms)s AND at_ms < %(to_ms)s) AS recalls
