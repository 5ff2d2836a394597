"""MetalLB's scenarios of layer 2 (25-55): one system for all of them, with a Pod that answers on every node."""
