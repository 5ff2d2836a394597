"""Which of a lab's addresses the demo plays with: found in what the speakers say, so any manifests will do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from swimlb.lab.errors import LabError
from swimlb.lab.lab import Lab
from swimlb.lab.status import SpeakerStatus
from swimlb.lab.workload import ports_by_service


@dataclass(frozen=True, slots=True)
class Scene:
    first: str
    """The L2 address whose owner loses its link."""
    second: str
    """The L2 address whose owner is stopped; of another owner than the first, if there is one."""
    routed: str
    """An address that is advertised by BGP."""
    prefix: str
    """The route to it."""
    ports: Mapping[str, int]
    """A port to ask at, by address."""


def find_scene(lab: Lab) -> Scene:
    """`LabError` when the manifests lack what the demo shows."""
    status = lab.require_status(lab.network.nodes[0].name)
    return choose_scene(status, ports_by_service(lab.manifests))


def choose_scene(status: SpeakerStatus, ports: Mapping[str, tuple[int, ...]]) -> Scene:
    """The scene in one speaker's view of a lab at rest."""
    port_of = {
        address: ports[one.key][0]
        for one in status.services
        for address in one.addresses
        if ports.get(one.key)
    }
    layer2 = [one for one in status.l2 if one.address in port_of]
    if not layer2:
        raise LabError("the demo needs a Service whose address is announced on the LAN: see examples/demo")
    first = layer2[0]
    second = next((one for one in layer2 if one.owner != first.owner), first)
    routes = {route.partition("/")[0]: route for session in status.bgp for route in session.routes}
    routed = next((address for address in routes if address in port_of), None)
    if routed is None:
        raise LabError("the demo needs a Service whose address is advertised by BGP: see examples/demo")
    return Scene(first.address, second.address, routed, routes[routed], port_of)
