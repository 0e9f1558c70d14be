Kind = "service-intentions"
Name = "gpu"

# Nobody calls the GPU manager yet; the first caller is named here, with the methods that it needs.
Sources = [
  {
    Name   = "*"
    Action = "deny"
  },
]
