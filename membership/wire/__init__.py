"""memberlist's wire format: bytes to typed messages and back. No state, no I/O."""
