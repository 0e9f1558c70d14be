"""Reads Word's files: the package's own tree is made plain before Docling parses it."""
