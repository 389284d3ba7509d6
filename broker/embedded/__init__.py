"""Apache Kafka and Postgres from Python packages alone."""
