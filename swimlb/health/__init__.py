"""Does this node have a ready endpoint? Standalone mode's stand-in for the kubelet's readiness probes."""
