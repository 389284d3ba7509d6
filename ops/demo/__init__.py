"""The demo: one campaign sent through plainly and through the pipeline."""
