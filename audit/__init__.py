"""What happened: the Postgres ledger, its projections and its verifier."""
