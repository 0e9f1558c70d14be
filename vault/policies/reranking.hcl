# The reranking service reads its own secret settings.
path "kv/data/isolane/reranking" {
  capabilities = ["read"]
}
