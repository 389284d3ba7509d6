"""Recorded jobs, rendered again by a plan."""
