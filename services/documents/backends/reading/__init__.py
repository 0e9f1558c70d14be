"""Reads files with Docling, and keeps what Docling alone would lose. Imported in workers only."""
