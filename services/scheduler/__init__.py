"""Whose work is computed next, in which batches, and what is refused: plain data, no lock, clock, thread or I/O."""
