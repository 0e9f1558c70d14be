"""What the fakes share."""
