Kind     = "service-defaults"
Name     = "gpu"
Protocol = "grpc"

# The sidecar's own time limit for a call, longer than any deadline that the gateway allows (300 s): deadlines are the callers'.
# Left out it would be 15 s.
LocalRequestTimeoutMs = 310000
LocalConnectTimeoutMs = 1000

BalanceInboundConnections = "exact_balance"
