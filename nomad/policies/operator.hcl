# A person in the UI: runs, changes and drains, and cannot read or make tokens.
namespace "*" {
  policy       = "write"
  capabilities = ["alloc-lifecycle", "read-fs", "read-logs"]
}

node {
  policy = "write"
}

agent {
  policy = "read"
}

operator {
  policy = "read"
}
