"""Candidates, given more of the jobs stage by stage."""
