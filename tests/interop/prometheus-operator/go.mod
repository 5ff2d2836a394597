// Where the definitions of the Prometheus Operator's kinds come from: `make prometheus-operator` copies them.
module swimlb/tests/interop/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
