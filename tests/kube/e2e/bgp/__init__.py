"""MetalLB's BGP scenarios, numbers 56 to 115 of docs/reference/metallb-scenarios.md."""
