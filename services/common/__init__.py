"""The kit for servers and callers. Import the modules; this package re-exports nothing."""
