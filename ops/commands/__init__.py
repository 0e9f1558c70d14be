"""The subcommands of `isolane`, one module per family."""
