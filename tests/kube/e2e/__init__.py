"""MetalLB's own end-to-end scenarios on a real cluster: docs/reference/metallb-scenarios.md has them all by number."""
