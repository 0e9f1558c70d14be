# One machine, the checkout, and no patience: for `just dev`.
driver           = "raw_exec"
check_interval   = "3s"
restart_delay    = "1s"
min_healthy_time = "3s"
auto_promote     = true
