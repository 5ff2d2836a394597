"""The only room that knows Kubernetes' API: who may ask it, how to ask, and what it answers.

`access` finds the API server and what shows it who asks, `client` makes single calls, `reflector` keeps a copy of one
kind of object and `feed` joins the copies into the records that the deciding rooms understand. Nothing of Kubernetes'
JSON goes further than here.
"""
