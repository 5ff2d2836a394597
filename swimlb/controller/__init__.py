"""The controller's decisions, without I/O: who leads (`lease`), what is written to Services (`core`) and when.

`wanting` says what a Service should show, `core` has it written by the leader and nobody else, `contention` notices
who undoes it. Addresses are `swimlb.allocator`'s to choose; calls of the API server are `swimlb.kube`'s to make.
"""
