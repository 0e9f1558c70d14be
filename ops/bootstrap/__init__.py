"""What a fresh OpenBao, Consul and Nomad need to be told before parts can run: policies, identities, entries, jobs."""
