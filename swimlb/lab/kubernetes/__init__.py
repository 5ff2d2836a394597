"""A real Kubernetes in the lab: etcd, kube-apiserver, kube-controller-manager and kube-proxy, with stand-ins for kubelets."""
