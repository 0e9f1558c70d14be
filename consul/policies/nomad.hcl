# The Nomad agent: it registers itself and what it runs, and asks who is healthy. What it registers for a job it
# registers with that job's own identity.
agent_prefix "" {
  policy = "read"
}

node_prefix "" {
  policy = "read"
}

service_prefix "" {
  policy = "write"
}
