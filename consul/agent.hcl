# What every Consul agent has. Addresses, paths and tokens are the machine's: the dev mesh adds them
# (ops/mesh/agents.py); docs/mesh/production.md says what production sets.
disable_update_check     = true
default_intention_policy = "deny"

acl {
  enabled                  = true
  default_policy           = "deny"
  down_policy              = "extend-cache" # tokens that were good stay good while the servers cannot be reached
  enable_token_persistence = true
}

connect {
  enabled = true
}

ui_config {
  enabled = true
}

ports {
  grpc     = 8502 # Envoy's configuration; Nomad looks for it once, when it starts
  dns      = -1   # nobody asks Consul by DNS here
  grpc_tls = -1
}

performance {
  raft_multiplier = 1
}

telemetry {
  prometheus_retention_time = "60s"
  disable_hostname          = true
}
