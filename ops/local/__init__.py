"""The local stack: every part a process on loopback, supervised."""
