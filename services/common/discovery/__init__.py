"""Which instances of a service there are: the `Resolver` port and its implementations."""
