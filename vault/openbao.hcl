# What every OpenBao server has. Addresses, paths, storage and seal are the machine's: the dev mesh adds them
# (ops/mesh/agents.py); docs/mesh/production.md says what production sets.
ui = true

audit "file" "requests" {
  options {
    file_path = "stdout" # every request with its secrets hashed; the agent's log has it
  }
}

telemetry {
  prometheus_retention_time = "60s"
  disable_hostname          = true
}
