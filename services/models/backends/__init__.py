"""Models on a device: what computes them, and how their files are read."""
