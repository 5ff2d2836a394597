"""The sockets of `announce`: they turn what the kernel says into events, and perform effects.

- `packet`: ARP frames (`PacketSockets`), with the filter that `filter` builds.
- `links`: the host's interfaces as they come, change and go (`LinkMonitor`).
- `addresses`: Service addresses on `lo` (`LocalAddresses`).
- `daisy_chain`: packets of unknown connections go to the host that had the address before (`DaisyChain`).
- `tcp`: the connection of a BGP peer.
- `bfd`, `bfd_echo`: UDP of BFD sessions.
- `sysctls`: kernel settings that have to be right (`check_sysctls`, `check_forwarding`).
"""
