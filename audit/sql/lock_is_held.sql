-- Whether a session holds an advisory lock of one number: the upper and the lower half of it, as Postgres keeps them.
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE
        locktype = 'advisory' AND granted AND objsubid = 1
        AND classid::bigint = (%(key)s::bigint >> 32) AND objid::bigint = (%(key)s::bigint & 4294967295)
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
