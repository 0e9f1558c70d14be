"""Calling a service: breaker, instances, pool and client."""
