# The gateway asks which instances of the services are passing. Connect's answer names the sidecars.
node_prefix "" {
  policy = "read"
}

service "embedding" {
  policy = "read"
}

service "embedding-sidecar-proxy" {
  policy = "read"
}

service "reranking" {
  policy = "read"
}

service "reranking-sidecar-proxy" {
  policy = "read"
}

service "documents" {
  policy = "read"
}

service "documents-sidecar-proxy" {
  policy = "read"
}

service "gpu" {
  policy = "read"
}

service "gpu-sidecar-proxy" {
  policy = "read"
}
