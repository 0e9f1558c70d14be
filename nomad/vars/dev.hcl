# One machine, the checkout, and no patience: for `just dev`. There is no other node for what fails.
driver           = "raw_exec"
check_interval   = "3s"
restart_delay    = "1s"
restart_mode     = "delay"
restart_interval = "5m"
min_healthy_time = "3s"
auto_promote     = true
