"""The *watch* process: what is to be served on one side, what people see on the other. No network capabilities.

`standalone` turns the manifest directory into records for *wire*, `status` and `api` answer people with what *wire*
and the configuration say, `process` runs them. It may stall or die: *wire* goes on with what it knows.
"""
