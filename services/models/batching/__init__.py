"""Many callers' items in, batches of similar length out to a model."""
