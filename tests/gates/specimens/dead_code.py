"""A function that nothing calls."""


def colour_cast_of_yesterday() -> int:
    """Nobody asks."""
    return 1
