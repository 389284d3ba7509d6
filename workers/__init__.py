"""Who does the heavy work: render and inspect."""
