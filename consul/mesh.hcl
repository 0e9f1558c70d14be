Kind = "mesh"

# Only what Consul knows may be called; an address that it does not know is refused by the caller's own sidecar.
TransparentProxy {
  MeshDestinationsOnly = true
}

AllowEnablingPermissiveMutualTLS = false

TLS {
  Incoming {
    TLSMinVersion = "TLSv1_2"
  }

  Outgoing {
    TLSMinVersion = "TLSv1_2"
  }
}
