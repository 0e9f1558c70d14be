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
  default     = "60s"
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
  description = "Let a healthy canary replace the others without being asked."
}

variable "count" {
  type        = number
  default     = 1
  description = "Instances."
}

variable "cpu" {
  type        = number
  default     = 500
  description = "Share of the CPU. Unit: MHz."
}

variable "memory" {
  type        = number
  default     = 2560
  description = "Memory of one instance. Unit: MiB."
}

variable "backend" {
  type        = string
  default     = "docling"
  description = "What computes: docling, or fake."
}

job "documents" {
  type = "service"

  group "documents" {
    count = var.count

    # Consul forgets the instance first; what callers still send is answered before SIGTERM.
    shutdown_delay = "5s"

    update {
      max_parallel      = 1
      canary            = 1
      auto_promote      = var.auto_promote
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

      port "health" {
        to = -1
      }

      port "metrics" {
        to = -1
      }

      port "envoy_metrics" {
        to = 9102
      }
    }

    service {
      name        = "documents"
      port        = "50053" # in the namespace, where only the sidecar reaches it
      tags        = ["stable"]
      canary_tags = ["canary"]

      meta {
        version       = var.tag
        metrics       = "${NOMAD_HOST_ADDR_metrics}"
        envoy_metrics = "${NOMAD_HOST_ADDR_envoy_metrics}"
      }

      check {
        name         = "documents answers"
        type         = "grpc"
        port         = "health"
        grpc_service = "isolane.documents.v1.DocumentsService"
        interval     = var.check_interval
        timeout      = "5s"
        task         = "documents"

        check_restart {
          limit = 6
          grace = var.check_grace
        }
      }

      connect {
        sidecar_service {
          # The service's check goes through the sidecar already.
          disable_default_tcp_check = true

          proxy {
            # The only two paths that are open without a certificate.
            expose {
              path {
                path            = "/grpc.health.v1.Health/Check"
                protocol        = "http2"
                local_path_port = 50053
                listener_port   = "health"
              }

              path {
                path            = "/metrics"
                protocol        = "http"
                local_path_port = 9153
                listener_port   = "metrics"
              }
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

    task "documents" {
      driver       = var.driver
      kill_signal  = "SIGTERM"
      kill_timeout = "45s" # longer than the service's own drain

      restart {
        mode = var.restart_mode
      }

      dynamic "config" {
        for_each = var.driver == "raw_exec" ? [true] : []

        content {
          command = "${meta.isolane_python}"
          args    = ["-P", "-m", "services.documents"]
        }
      }

      dynamic "config" {
        for_each = var.driver == "docker" ? [true] : []

        content {
          image           = "${var.images}-documents:${var.tag}"
          readonly_rootfs = true
          cap_drop        = ["ALL"]

          mount {
            type   = "tmpfs"
            target = "/tmp"
          }
        }
      }

      env {
        # Loopback of the namespace alone: on the bridge address it would bypass mTLS.
        ISOLANE_DOCUMENTS_HOST          = "127.0.0.1"
        ISOLANE_DOCUMENTS_METRICS_HOST  = "127.0.0.1"
        ISOLANE_DOCUMENTS_PORT          = 50053
        ISOLANE_DOCUMENTS_METRICS_PORT  = 9153
        ISOLANE_DOCUMENTS_BACKEND       = var.backend
        ISOLANE_DOCUMENTS_LOG_LEVEL     = var.log_level
        ISOLANE_DOCUMENTS_OTLP_ENDPOINT = var.otlp_endpoint
        ISOLANE_SECRETS_DIR             = "${NOMAD_SECRETS_DIR}/settings"
        GRPC_VERBOSITY                  = "NONE" # gRPC would write lines that are not JSON into the log
        HF_HUB_OFFLINE                  = "1"
      }

      vault {
        role         = "documents"
        env          = false
        disable_file = true   # the task needs what the templates fetch, not the token
        change_mode  = "noop" # a new token changes nothing for the task: its templates bring what is new
      }

      # The process reads its secrets anew on SIGHUP.
      template {
        destination   = "secrets/settings/isolane_documents_otlp_headers"
        data          = "{{ with secret \"kv/data/isolane/documents\" }}{{ .Data.data.otlp_headers }}{{ end }}"
        perms         = "0400"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        uid           = var.driver == "docker" ? 10001 : -1 # the image's user; -1 leaves the agent's own
        gid           = var.driver == "docker" ? 10001 : -1
      }

      resources {
        cpu    = var.cpu
        memory = var.memory
      }
    }
  }
}
