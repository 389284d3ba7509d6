"""Where bytes live: content-addressed artifacts and attempt manifests."""
