"""The HTTP gateway: public wire formats in front, gRPC services behind."""
