"""Who decides next: the Faust apps sanity and validation."""
