"""Names that vulture calls unused and that are not: each line says who uses them. Never run, only parsed."""
# ruff: noqa: B018, F821
# pyright: basic, reportUndefinedVariable=false, reportUnusedExpression=false, reportAttributeAccessIssue=false

model_config  # pydantic reads it from the class
