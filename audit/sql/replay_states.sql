SELECT state, count(*)::integer AS jobs FROM runs WHERE replay_id = %(replay_id)s GROUP BY state ORDER BY state
