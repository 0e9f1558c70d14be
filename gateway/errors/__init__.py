"""Errors as HTTP answers: one failure, rendered in the shape of the API family that was called."""
