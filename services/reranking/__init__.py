"""A query and documents to relevance scores."""
