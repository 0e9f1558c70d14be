"""Batches of work for a model: the `Batcher` port and its implementations."""
