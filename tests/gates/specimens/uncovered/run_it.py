"""Takes one way through `lane` only; every line runs all the same."""

import branches

branches.lane(urgent=True)
