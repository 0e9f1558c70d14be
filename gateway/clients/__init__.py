"""One client per service: domain values in and out, protos in between."""
