"""Benchmarks: one module each, run as `python -m bench.NAME`; each prints a table and, with --json, writes JSON."""
