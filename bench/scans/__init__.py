"""Scans that are made: pages of known text, set, printed badly and scanned, and how much of it comes back."""
