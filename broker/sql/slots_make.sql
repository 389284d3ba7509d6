INSERT INTO slots (pool, number)
SELECT %(pool)s, number
FROM generate_series(0, %(limit)s - 1) AS number
ON CONFLICT DO NOTHING
