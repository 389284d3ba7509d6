"""Bad batches: held, recovered, released in lots, recalled."""
