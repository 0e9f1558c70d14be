# The embedding service reads its own secret settings.
path "kv/data/isolane/embedding" {
  capabilities = ["read"]
}
