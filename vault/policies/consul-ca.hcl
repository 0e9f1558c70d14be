# Consul signs the mesh's certificates: the root stays in OpenBao, Consul owns the intermediate.
path "sys/mounts/connect-root" {
  capabilities = ["read"]
}

path "sys/mounts/connect-inter" {
  capabilities = ["read"]
}

path "sys/mounts/connect-inter/tune" {
  capabilities = ["update"]
}

path "connect-root/" {
  capabilities = ["read"]
}

path "connect-root/root/sign-intermediate" {
  capabilities = ["update"]
}

path "connect-inter/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}
