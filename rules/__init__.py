"""What must follow: pure decisions, with no clock, no random, no I/O."""
