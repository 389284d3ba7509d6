"""Draws an inspection on its picture."""
