"""The development cross-encoder: made on this machine from installed text, and good for development only."""
