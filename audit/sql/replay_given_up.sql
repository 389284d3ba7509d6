SELECT count(*)::integer AS runs FROM given_up WHERE replay_id = %(replay_id)s
