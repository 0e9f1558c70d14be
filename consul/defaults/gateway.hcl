Kind     = "service-defaults"
Name     = "gateway"
Protocol = "http"

# How the gateway's sidecar treats the services that it calls.
UpstreamConfig {
  Defaults {
    ConnectTimeoutMs = 1000

    Limits {
      # Of HTTP/2 upstreams only this one limits; above what the gateway admits itself (2 x 1024 + 8).
      MaxConcurrentRequests = 4096
    }

    # Five INTERNAL, UNKNOWN or DATA_LOSS in a row put an instance aside; UNAVAILABLE does at once (below).
    PassiveHealthCheck {
      Interval                = "1s"
      MaxFailures             = 5
      EnforcingConsecutive5xx = 100
      MaxEjectionPercent      = 100
      BaseEjectionTime        = "5s"
    }
  }
}

# What Consul has no words for.
EnvoyExtensions = [
  {
    Name = "builtin/property-override"

    Arguments = {
      ProxyType = "connect-proxy"

      Patches = [
        # An instance that answers UNAVAILABLE, or not at all, is put aside by its first failure: the gateway's one retry
        # then meets another instance. Least request would else send it back to the one that fails fastest.
        {
          ResourceFilter = { ResourceType = "cluster", TrafficDirection = "outbound" }
          Op             = "add"
          Path           = "/outlier_detection/consecutive_gateway_failure"
          Value          = 1
        },
        {
          ResourceFilter = { ResourceType = "cluster", TrafficDirection = "outbound" }
          Op             = "add"
          Path           = "/outlier_detection/enforcing_consecutive_gateway_failure"
          Value          = 100
        },
        # At once, also where another change came within the second before it: Envoy would gather them for a second.
        {
          ResourceFilter = { ResourceType = "cluster", TrafficDirection = "outbound" }
          Op             = "add"
          Path           = "/common_lb_config/update_merge_window/seconds"
          Value          = 0
        },
        # When every instance is put aside, or Consul calls every one critical (as it does for a moment after a restart of
        # its agent), trying one of them beats refusing all calls.
        {
          ResourceFilter = { ResourceType = "cluster", TrafficDirection = "outbound" }
          Op             = "add"
          Path           = "/common_lb_config/healthy_panic_threshold/value"
          Value          = 1
        },
      ]
    }
  },
]
