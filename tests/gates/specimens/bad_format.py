"""Formatted by hand."""

LANES = ['critical',
    'exploratory']
