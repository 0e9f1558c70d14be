"""The public API, one module per family: parse, one client call, reply."""
