-- Which of the triggers that keep the ledger append-only are not in force.
SELECT wanted.relation, wanted.name
FROM unnest(
    ARRAY['ledger', 'ledger_gaps', 'ledger_heads', 'ledger_heads'],
    ARRAY['ledger_append_only', 'ledger_gaps_append_only', 'ledger_heads_kept', 'ledger_heads_forward']
) AS wanted (relation, name)
LEFT JOIN pg_trigger AS t
    ON t.tgrelid = to_regclass(wanted.relation) AND t.tgname = wanted.name AND t.tgenabled = 'A'
WHERE t.oid IS NULL
