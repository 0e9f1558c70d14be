Kind           = "service-resolver"
Name           = "gpu"
ConnectTimeout = "1s"

# The caller's sidecar has a time limit too, also 15 s when left out.
RequestTimeout = "310s"

LoadBalancer {
  Policy = "least_request"

  LeastRequestConfig {
    ChoiceCount = 2
  }
}
