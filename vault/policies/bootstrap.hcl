# `just dev` after its first run, when the root token is gone: policies, roles, mounts, and tokens of named policies.
path "sys/policy/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}

path "sys/mounts" {
  capabilities = ["read"]
}

path "sys/mounts/*" {
  capabilities = ["create", "read", "update"]
}

path "sys/auth" {
  capabilities = ["read"]
}

path "sys/auth/*" {
  capabilities = ["create", "read", "update", "sudo"]
}

path "auth/jwt-nomad/*" {
  capabilities = ["create", "read", "update", "list"]
}

path "auth/approle/role/*" {
  capabilities = ["create", "read", "update", "list"]
}

path "auth/token/roles/*" {
  capabilities = ["create", "read", "update"]
}

path "auth/token/create/operator" {
  capabilities = ["create", "update"]
}

path "auth/token/create/metrics" {
  capabilities = ["create", "update"]
}

path "connect-root/*" {
  capabilities = ["create", "read", "update", "list"]
}

path "pki/*" {
  capabilities = ["create", "read", "update", "list"]
}

path "kv/data/isolane/*" {
  capabilities = ["create", "read", "update"]
}

path "transit/keys/*" {
  capabilities = ["create", "read", "update"]
}

# The outage drills seal the server.
path "sys/seal" {
  capabilities = ["update", "sudo"]
}
