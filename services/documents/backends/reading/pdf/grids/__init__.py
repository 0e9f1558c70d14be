"""Where the rows and columns of a table are: by its lines, by the gaps between its words, and as a model sees it."""
