SELECT at_ms, kind, subject, step, who, why
FROM operations
WHERE at_ms >= %(from_ms)s AND at_ms < %(to_ms)s
ORDER BY at_ms DESC, event_id
LIMIT %(limit)s
