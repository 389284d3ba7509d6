UPDATE slots
SET holder = NULL, expires_at = NULL
WHERE pool = %(pool)s AND number = %(number)s AND holder = %(holder)s
