"""Inspects files that lie on disk."""
