Kind = "service-intentions"
Name = "gateway"

# Callers come by HTTP from outside the mesh; nobody in it calls the gateway.
Sources = [
  {
    Name   = "*"
    Action = "deny"
  },
]
