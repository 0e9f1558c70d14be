# Prometheus: the agent's own metrics, and where the services publish theirs.
agent_prefix "" {
  policy = "read"
}

node_prefix "" {
  policy = "read"
}

service_prefix "" {
  policy = "read"
}
