"""Benchmarks that people can run: each prints what it measured, on which machine."""
