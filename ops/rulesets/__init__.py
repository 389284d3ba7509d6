"""Rulesets: published, tried on recorded work, put in force, taken back."""
