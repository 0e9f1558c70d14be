"""PDF and pictures of pages: read page by page, with Docling's own stages and the models of `engines`."""
