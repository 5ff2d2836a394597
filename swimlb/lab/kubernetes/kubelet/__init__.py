"""A stand-in for the kubelet: it registers its Node and runs Pods, whose containers are all the lab's own workload."""
