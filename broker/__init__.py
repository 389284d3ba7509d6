"""How it travels: settings, topics, the exactly-once outbox, the worker loop, broadcast tables."""
