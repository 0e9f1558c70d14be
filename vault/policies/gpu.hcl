# The gpu service reads its own secret settings.
path "kv/data/isolane/gpu" {
  capabilities = ["read"]
}
