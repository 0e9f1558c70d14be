# GPU nodes with docker; one command and one person decide about a canary. Images and tag come with the release:
# nomad job run -var-file=nomad/vars/production.hcl -var images=registry.example/isolane -var tag=1.0.0 nomad/jobs/…
# What is here every job has. The number type of models is the jobs' own variable `dtype`, whose default is float32.
driver           = "docker"
check_interval   = "10s"
restart_delay    = "15s"
restart_mode     = "fail"
restart_interval = "30m"
min_healthy_time = "20s"
auto_promote     = false
