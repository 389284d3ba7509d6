UPDATE slots
SET holder = %(holder)s, expires_at = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE pool = %(pool)s AND number = (
    SELECT number
    FROM slots
    WHERE pool = %(pool)s AND number < %(limit)s AND (holder IS NULL OR expires_at < clock_timestamp())
    ORDER BY number
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING number
