"""The figures of a window beside those before."""
