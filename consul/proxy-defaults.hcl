Kind = "proxy-defaults"
Name = "global"

Config {
  # Envoy's own metrics, in the allocation's network namespace; each job maps the port.
  envoy_prometheus_bind_addr = "0.0.0.0:9102"
}

AccessLogs {
  Enabled             = true
  DisableListenerLogs = true # connections that match no listener say nothing of a request
  Type                = "stdout"

  JSONFormat = <<-EOF
    {"timestamp":"%START_TIME%","event":"access","method":"%REQ(:METHOD)%","path":"%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%","status":"%RESPONSE_CODE%","grpc_status":"%GRPC_STATUS%","flags":"%RESPONSE_FLAGS%","details":"%RESPONSE_CODE_DETAILS%","upstream":"%UPSTREAM_HOST%","duration_ms":"%DURATION%","request_id":"%REQ(X-REQUEST-ID)%","traceparent":"%REQ(TRACEPARENT)%"}
  EOF
}
