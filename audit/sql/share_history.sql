SELECT at_ms, kind, subject, step, who, why
FROM operations
WHERE kind = 'share' AND starts_with(subject, %(share_id)s)
ORDER BY at_ms DESC, event_id
LIMIT %(limit)s OFFSET %(skip)s
