# The documents service reads its own secret settings.
path "kv/data/isolane/documents" {
  capabilities = ["read"]
}
