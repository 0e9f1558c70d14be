Kind           = "service-resolver"
Name           = "documents"
ConnectTimeout = "1s"

# The caller's sidecar has a time limit too, also 15 s when left out.
RequestTimeout = "610s"

LoadBalancer {
  Policy = "least_request"

  LeastRequestConfig {
    ChoiceCount = 2
  }
}
