-- How often jobs were replayed; the twins of paired jobs are no replays.
SELECT job_id::text AS job_id, count(*)::integer AS times
FROM runs
WHERE
    job_id = ANY (%(job_ids)s::uuid[]) AND replay_id <> '' AND replay_id <> %(replay_id)s
    AND replay_id NOT LIKE '%%.pair'
GROUP BY job_id
