# A person in the UI: runs, changes and drains, and cannot read or make tokens through the API. Whoever may run a job with
# raw_exec is root on its node all the same: on a cluster, forbid that driver.
namespace "*" {
  policy = "write"
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
