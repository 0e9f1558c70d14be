"""PDF files that are typeset here, so that what stands in them is known."""
