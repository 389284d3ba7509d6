"""Brings a stack up, keeps it running, and says what it looks like."""
