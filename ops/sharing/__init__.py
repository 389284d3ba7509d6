"""Runs side by side, and pages for people outside."""
