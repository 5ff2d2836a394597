"""The process of the controller: runs the machines of `swimlb.controller` on what `swimlb.kube` reads and writes.

`election` makes the calls for the Lease, `writing` those for Services, `statuses` and `telling` the rest; `webhooks`
answers the API server; `process` joins all.
"""
