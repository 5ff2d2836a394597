"""swimlb: a LoadBalancer for bare-metal Kubernetes. Architecture: ARCHITECTURE.md."""

__version__ = "0.1.0"
