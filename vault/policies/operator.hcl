# A person in the UI: writes the parts' secret settings, and reads how the rest is set up.
path "kv/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}

path "sys/mounts" {
  capabilities = ["read"]
}

path "sys/policies/acl" {
  capabilities = ["list"]
}

path "sys/policies/acl/*" {
  capabilities = ["read"]
}

path "auth/jwt-nomad/role" {
  capabilities = ["list"]
}

path "auth/jwt-nomad/role/*" {
  capabilities = ["read"]
}

path "pki/roles/*" {
  capabilities = ["read"]
}
