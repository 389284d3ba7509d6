COPY ledger (
    topic, partition, generation, "offset", position, timestamp_ms, key, value, headers, record, job_id,
    previous_hash, hash
) FROM STDIN (FORMAT BINARY)
