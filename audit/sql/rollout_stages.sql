-- Where each stage after the first was entered: later steps of a stage keep that, or have counted more.
SELECT stage, min(position) AS position
FROM rollout_steps
WHERE rollout_id = %(rollout_id)s AND stage BETWEEN 1 AND %(stage)s
GROUP BY stage
