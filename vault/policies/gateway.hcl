# The gateway reads its own secret settings,
path "kv/data/isolane/gateway" {
  capabilities = ["read"]
}

# gets its certificate,
path "pki/issue/gateway" {
  capabilities = ["create", "update"]
}

# and signs without ever holding the key.
path "transit/sign/gateway" {
  capabilities = ["update"]
}

path "transit/verify/gateway" {
  capabilities = ["update"]
}
