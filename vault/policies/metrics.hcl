# Prometheus reads the server's own metrics.
path "sys/metrics" {
  capabilities = ["read"]
}
