"""The *wire* process: gossip, the speaker's decision, ARP and BGP. Small, and never stalled for long.

`process` joins the speaker's core to its three sides: `ring` (who is alive), `lan` (addresses on the local network
and on this host) and `peers` (routers). `facts` is what people get to see of all that. It reads no files but the gossip
secret's (`secret`, `rotation`), speaks no HTTP and knows no Kubernetes; what to serve it hears from *watch* over the
link.
"""
