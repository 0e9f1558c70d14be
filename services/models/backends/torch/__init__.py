"""Models with torch, for GPUs."""
