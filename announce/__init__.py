"""Making an address reachable: ARP on the LAN (`l2`), BGP through routers (`bgp`), and their sockets (`net`)."""
