"""What tests of services and callers need, shipped with the kit."""
