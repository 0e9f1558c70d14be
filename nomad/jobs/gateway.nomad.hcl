variable "driver" {
  type        = string
  default     = "raw_exec"
  description = "raw_exec runs the checkout that the node's meta names (development); docker runs images."

  validation {
    condition     = contains(["docker", "raw_exec"], var.driver)
    error_message = "The driver is docker or raw_exec."
  }
}

variable "images" {
  type        = string
  default     = "isolane"
  description = "Registry and path before the image's name, for the driver docker."
}

variable "tag" {
  type        = string
  default     = "dev"
  description = "Tag of the image; also the version that Consul shows."
}

variable "otlp_endpoint" {
  type        = string
  default     = ""
  description = "OTLP gRPC collector for spans, for example http://10.0.0.5:4317; empty exports none."
}

variable "log_level" {
  type        = string
  default     = "info"
  description = "Least severe log line that is written."
}

variable "check_interval" {
  type        = string
  default     = "10s"
  description = "Time between health checks; an instance that hangs is noticed after it."
}

variable "restart_delay" {
  type        = string
  default     = "15s"
  description = "Wait before a task that ended is started again on its node."
}

variable "restart_mode" {
  type        = string
  default     = "fail"
  description = "What happens to a task that ended more often than it may: fail replaces its allocation, delay keeps it."

  validation {
    condition     = contains(["delay", "fail"], var.restart_mode)
    error_message = "The restart mode is delay or fail."
  }
}

variable "restart_interval" {
  type        = string
  default     = "30m"
  description = "Time in which a task may end five times: longer than five starts that never become healthy."
}

variable "min_healthy_time" {
  type        = string
  default     = "20s"
  description = "How long a new instance must be healthy before an update goes on."
}

variable "check_grace" {
  type        = string
  default     = "30s"
  description = "Time after a start in which failed checks do not restart the task: longer than its start takes."
}

variable "healthy_deadline" {
  type        = string
  default     = "8m"
  description = "How long a new instance may take to become healthy, with the pull of its image, until it has failed."
}

variable "progress_deadline" {
  type        = string
  default     = "15m"
  description = "How long an update may go without a new healthy instance until it has failed."
}

variable "auto_promote" {
  type        = bool
  default     = false
  description = "Of no effect here, where there is no canary; so that all jobs take the same variable files."
}

variable "count" {
  type        = number
  default     = 1
  description = "Instances."
}

variable "cpu" {
  type        = number
  default     = 300
  description = "Share of the CPU. Unit: MHz."
}

variable "memory" {
  type        = number
  default     = 256
  description = "Memory of one instance. Unit: MiB."
}

variable "port" {
  type        = number
  default     = 8090
  description = "Port of the node on which the gateway is published."
}

variable "host_network" {
  type        = string
  default     = "loopback"
  description = "Network of the node on which it is published: loopback until callers can be told apart."
}

variable "consul_address" {
  type        = string
  default     = "http://$${attr.unique.network.ip-address}:8500"
  description = "The Consul agent of the node, as allocations reach it."
}

variable "consul_ca_file" {
  type        = string
  default     = ""
  description = "Certificate authority of that address, where it is https and the authority is your own; a file of the image."
}

variable "allowed_hosts" {
  type        = string
  default     = "127.0.0.1,localhost,[::1]"
  description = "Host names under which it may be called, separated by commas."
}

variable "allowed_peers" {
  type        = string
  default     = "172.26.64.1"
  description = "Networks that it serves. What comes through the node's loopback comes from Nomad's bridge; other allocations do not."
}

variable "tls" {
  type        = bool
  default     = false
  description = "Serve https with a certificate from the PKI, renewed while it runs."
}

variable "tls_name" {
  type        = string
  default     = "gateway.isolane.internal"
  description = "Name on that certificate."
}

job "gateway" {
  type = "service"

  group "gateway" {
    count = var.count

    # Consul forgets the instance first; what callers still send is answered before SIGTERM.
    shutdown_delay = "5s"

    update {
      max_parallel      = 1
      canary            = 0 # its port is the node's: a second one beside it has nowhere to listen
      auto_promote      = false
      auto_revert       = true
      min_healthy_time  = var.min_healthy_time
      healthy_deadline  = var.healthy_deadline
      progress_deadline = var.progress_deadline
    }

    # The sidecar takes this one, as it can have none of its own (nomad#8350): with "delay" a broken one is kept for ever.
    restart {
      attempts         = 5
      interval         = var.restart_interval
      delay            = var.restart_delay
      mode             = "fail"
      render_templates = true
    }

    reschedule {
      delay          = "15s"
      delay_function = "exponential"
      max_delay      = "5m"
      unlimited      = true
    }

    # A node that is out of reach for less than this keeps its instances; they may well still serve.
    disconnect {
      lost_after = "10m"
      reconcile  = "longest_running"
    }

    network {
      mode = "bridge"

      port "http" {
        static       = var.port
        to           = 8080
        host_network = var.host_network
      }

      port "envoy_metrics" {
        to = 9102
      }
    }

    service {
      name = "gateway"
      port = "8080" # in the namespace
      tags = ["stable"]

      meta {
        version       = var.tag
        metrics       = "${NOMAD_HOST_ADDR_http}"
        envoy_metrics = "${NOMAD_HOST_ADDR_envoy_metrics}"
      }

      check {
        name            = "gateway answers"
        type            = "http"
        protocol        = var.tls ? "https" : "http"
        tls_skip_verify = var.tls
        port            = "http"
        path            = "/health/live"
        interval        = var.check_interval
        timeout         = "5s"
        task            = "gateway"

        header {
          Host = ["localhost"]
        }

        check_restart {
          limit = 6
          grace = var.check_grace
        }
      }

      connect {
        sidecar_service {
          # The gateway's check does not pass its sidecar, and nobody calls it through it.
          disable_default_tcp_check = true

          proxy {
            upstreams {
              destination_name = "embedding"
              local_bind_port  = 50051
            }

            upstreams {
              destination_name = "reranking"
              local_bind_port  = 50052
            }

            upstreams {
              destination_name = "documents"
              local_bind_port  = 50053
            }
          }
        }

        # Production takes the image that Nomad injects.
        dynamic "sidecar_task" {
          for_each = var.driver == "raw_exec" ? [true] : []

          content {
            driver = "raw_exec"

            config {
              command = "${meta.isolane_envoy}"
              args = [
                "-c", "${NOMAD_SECRETS_DIR}/envoy_bootstrap.json", "-l", "${meta.connect.log_level}",
                "--concurrency", "${meta.connect.proxy_concurrency}", "--disable-hot-restart",
              ]
              work_dir = "${NOMAD_ALLOC_DIR}/.." # the bootstrap names alloc/tmp/consul_grpc.sock relative to here
            }

            resources {
              cpu    = 100
              memory = 128
            }
          }
        }
      }
    }

    task "gateway" {
      driver       = var.driver
      kill_signal  = "SIGTERM"
      kill_timeout = "45s" # longer than the gateway's own drain

      restart {
        mode = var.restart_mode
      }

      dynamic "config" {
        for_each = var.driver == "raw_exec" ? [true] : []

        content {
          command = "${meta.isolane_python}"
          args    = ["-P", "-m", "gateway"]
        }
      }

      dynamic "config" {
        for_each = var.driver == "docker" ? [true] : []

        content {
          image           = "${var.images}-gateway:${var.tag}"
          readonly_rootfs = true
          cap_drop        = ["ALL"]

          mount {
            type   = "tmpfs"
            target = "/tmp"
          }
        }
      }

      env {
        ISOLANE_GATEWAY_HOST                = "0.0.0.0" # the node's published port leads to the bridge address
        ISOLANE_GATEWAY_PORT                = 8080
        ISOLANE_GATEWAY_ALLOWED_HOSTS       = var.allowed_hosts
        ISOLANE_GATEWAY_ALLOWED_PEERS       = var.allowed_peers
        ISOLANE_GATEWAY_DISCOVERY           = "consul"
        ISOLANE_GATEWAY_CONSUL__ADDRESS     = var.consul_address
        ISOLANE_GATEWAY_CONSUL__CA_FILE     = var.consul_ca_file
        ISOLANE_GATEWAY_CONSUL__AUTH_METHOD = "nomad-workloads"
        ISOLANE_GATEWAY_CONSUL__JWT_FILE    = "${NOMAD_SECRETS_DIR}/nomad_consul.jwt"
        # A frozen instance behind the sidecar is left in time for a second attempt.
        ISOLANE_GATEWAY_EMBEDDING__ATTEMPT_TIMEOUT_S = 12
        ISOLANE_GATEWAY_RERANKING__ATTEMPT_TIMEOUT_S = 12
        ISOLANE_GATEWAY_LOG_LEVEL                    = var.log_level
        ISOLANE_GATEWAY_OTLP_ENDPOINT                = var.otlp_endpoint
        ISOLANE_GATEWAY_TLS_CERT_FILE                = var.tls ? "${NOMAD_SECRETS_DIR}/tls.pem" : ""
        ISOLANE_GATEWAY_TLS_KEY_FILE                 = var.tls ? "${NOMAD_SECRETS_DIR}/tls.pem" : ""
        ISOLANE_SECRETS_DIR                          = "${NOMAD_SECRETS_DIR}/settings"
        GRPC_VERBOSITY                               = "NONE" # gRPC would write lines that are not JSON into the log
      }

      # Who the gateway is, for Consul. It logs in with this file itself: a `consul` block would put the token into the
      # environment.
      identity {
        name = "consul"
        aud  = ["consul.io"]
        ttl  = "1h"
        file = true
      }

      vault {
        role         = "gateway"
        env          = false
        disable_file = true   # the task needs what the templates fetch, not the token
        change_mode  = "noop" # a new token changes nothing for the task: its templates bring what is new
      }

      # The process reads its secrets anew on SIGHUP.
      template {
        destination   = "secrets/settings/isolane_gateway_otlp_headers"
        data          = "{{ with secret \"kv/data/isolane/gateway\" }}{{ .Data.data.otlp_headers }}{{ end }}"
        perms         = "0400"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        uid           = var.driver == "docker" ? 10001 : -1 # the image's user; -1 leaves the agent's own
        gid           = var.driver == "docker" ? 10001 : -1
      }

      # Certificate and key in one file, so that no reader meets a new one beside an old one.
      dynamic "template" {
        for_each = var.tls ? [var.tls_name] : []

        content {
          destination   = "secrets/tls.pem"
          data          = "{{ with pkiCert \"pki/issue/gateway\" \"common_name=${template.value}\" \"ttl=24h\" }}{{ .Cert }}{{ .CA }}{{ .Key }}{{ end }}"
          perms         = "0400"
          change_mode   = "signal"
          change_signal = "SIGHUP"
          uid           = var.driver == "docker" ? 10001 : -1
          gid           = var.driver == "docker" ? 10001 : -1
        }
      }

      resources {
        cpu    = var.cpu
        memory = var.memory
      }
    }
  }
}
