"""Engines and loads for simulated worlds; each gives figures of a policy and a seed."""
