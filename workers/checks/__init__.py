"""Checks that measure."""
