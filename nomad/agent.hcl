# What every Nomad agent has. Addresses, paths and tokens are the machine's: the dev mesh adds them
# (ops/mesh/agents.py); docs/mesh/production.md says what production sets.
disable_update_check = true

acl {
  enabled = true
}

client {
  # A part drains before it ends; the default would cut it after 30 s.
  max_kill_timeout = "15m"

  options = {
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean"
    "driver.allowlist"     = "docker,raw_exec"
  }
}

# Services and tasks prove to Consul and OpenBao who they are by a signed identity; no token is shared.
consul {
  service_identity {
    aud = ["consul.io"]
    ttl = "1h"
  }

  task_identity {
    aud = ["consul.io"]
    ttl = "1h"
  }
}

vault {
  enabled               = true
  jwt_auth_backend_path = "jwt-nomad"

  default_identity {
    aud = ["vault.io"]
    ttl = "1h"
  }
}

telemetry {
  prometheus_metrics         = true
  publish_allocation_metrics = true
  publish_node_metrics       = true
  disable_hostname           = true
}
