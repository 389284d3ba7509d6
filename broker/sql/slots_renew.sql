UPDATE slots
SET expires_at = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE pool = %(pool)s AND number = %(number)s AND holder = %(holder)s
RETURNING number
