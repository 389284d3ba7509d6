"""Draws letters, damages some, and trains the glyph check on them."""
