"""The *watch* process: what is to be served on one side, what people see on the other. No network capabilities.

`standalone` turns the manifest directory into records for *wire*, `cluster` and `cluster_source` do it with what the API
server says. `status` and `api` answer people with what *wire* and the configuration say; `reports`, `failures` and `judging`
tell a cluster of this node. `process` and `cluster_process` run them. It may stall or die: *wire* goes on with what it knows.
"""
