"""Queries and passages that no model of ours was made from: the documentation of installed packages, read as text."""
