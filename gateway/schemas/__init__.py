"""JSON bodies of the public APIs, one module per family."""
