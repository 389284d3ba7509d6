"""A branch that its test never takes."""


def lane(urgent: bool) -> str:
    """Named by urgency."""
    name = "exploratory"
    if urgent:
        name = "critical"
    return name
