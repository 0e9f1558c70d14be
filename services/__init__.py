"""The services behind the gateway, and the kit that they share."""
