"""The dev mesh: OpenBao, Consul, Nomad and Envoy on one machine, with every part as a Nomad job."""
