"""The failover benchmark: every contender under every fault, on the same network, before the same referee."""
