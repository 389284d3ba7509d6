"""Who operates it: the command line, the supervisor, the demo."""
