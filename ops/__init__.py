"""The `isolane` command: the local stack, and a client for people."""
