"""Engines that render."""
