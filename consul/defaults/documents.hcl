Kind     = "service-defaults"
Name     = "documents"
Protocol = "grpc"

# The sidecar's own time limit for a call, longer than the longest deadline that the gateway allows (600 s): deadlines are the callers'.
# Left out it would be 15 s.
LocalRequestTimeoutMs = 610000
LocalConnectTimeoutMs = 1000

BalanceInboundConnections = "exact_balance"
