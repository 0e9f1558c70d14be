# A person in the UI: sees everything, may change who may call whom, and cannot read or make tokens.
agent_prefix "" {
  policy = "read"
}

node_prefix "" {
  policy = "read"
}

service_prefix "" {
  policy     = "read"
  intentions = "write"
}

key_prefix "" {
  policy = "read"
}

operator = "read"
mesh     = "read"
peering  = "read"
