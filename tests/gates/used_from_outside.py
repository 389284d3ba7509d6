"""Names that vulture calls unused and that are not: each line says who uses them. Never run, only parsed."""
# ruff: noqa: B018, F821
# pyright: basic, reportUndefinedVariable=false, reportUnusedExpression=false, reportAttributeAccessIssue=false

# pydantic reads it from the class.
model_config

# typer calls it by its name in ops/cli.py's table, or as a method of its group.
demo, doctor, up, calibrate, compare_command, list_commands, parse_args

# psycopg fetches as many rows at a time.
itersize

# Faust and its Kafka driver call or read these of what we override.
_isolation_level, _fetch_max_wait_ms, _new_consumer_thread, _to_message, seek_to_committed, verify_event_path
_new_transport

# Arguments of the ports in broker/admin.py and workers/: the names that an implementation's callers use.
new_topics, operation_timeout, group_ids, topic_partition_offsets, isolation_level, request_timeout

# HarfBuzz reads these of a buffer and of a raster (workers/engines/shaping.py).
language, direction, transform

# Columns: audit/projections.py writes every field of a row by its name.
wants_text, requested_at_ms, failure_kind, failure_message, generated_at_ms, inspect_ms, inspected_at_ms
decided_by, repair_rung, origin_topic, origin_partition, origin_offset

# Facts printed as JSON, field by field.
lowest, highest, supervisor_pid, age_s, committed_s, taken_back, last_new_s

# The type of a cast to a module.
Room

# schemas/catalogue.py names every topic of the design once; these are written by design tools and validation.
TOUCH_UPS, LOOKS

# A skill that config/engines.yml gives to an engine, read by its value.
LAYOUT

# huggingface_hub reads it before each download.
HF_HUB_DISABLE_XET

# A half of the drawn corpus, chosen by its value on the command line.
HOLDOUT

# Options of an ONNX Runtime session, read by its own code.
intra_op_num_threads, inter_op_num_threads, log_severity_level, enable_cpu_mem_arena
