"""What tests see of Services and speakers, and wait for: as the API server, the speakers and a client tell it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from swimlb.controller.records import CONDITION
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.topology import INSIDE, Host
from swimlb.lab.waiting import wait_until
from tests.kube.e2e.api import TIMEOUT, Api
from tests.kube.e2e.objects import PORT
from tests.kube.workloads import FOLLOWED_WITHIN, explain

POOL = "metallb.io/ip-allocated-from-pool"
ANSWER_TIMEOUT = FOLLOWED_WITHIN
"""Each node's kube-proxy takes a moment of its own."""


def ingress(service: Any) -> tuple[str, ...]:
    """The addresses that a Service has."""
    return tuple(one["ip"] for one in service["status"]["loadBalancer"].get("ingress", ()))


def addresses(api: Api, *names: str, namespace: str = "default") -> dict[str, tuple[str, ...]]:
    """What each of the Services has now."""
    return {name: ingress(api.get("Service", name, namespace)) for name in names}


def wait_for_addresses(api: Api, name: str, *wanted: str, namespace: str = "default") -> Any:
    """The Service, once it has exactly these addresses."""
    return wait_for(
        api, name, f"{name} to have {wanted}", lambda one: ingress(one) == wanted, namespace=namespace
    )


def wait_until_served(api: Api, name: str, count: int = 1, namespace: str = "default") -> tuple[str, ...]:
    """The addresses of a Service, once it has so many."""
    what = f"{name} to have {count} addresses"
    return ingress(wait_for(api, name, what, lambda one: len(ingress(one)) == count, namespace=namespace))


def wait_until_pending(api: Api, name: str, namespace: str = "default") -> str:
    """Why the Service has no address, once the controller has said so."""

    def is_pending(service: Any) -> bool:
        return not ingress(service) and condition(service).get("status") == "False"

    service = wait_for(api, name, f"{name} to be pending", is_pending, namespace=namespace)
    return condition(service)["message"]


def condition(service: Any) -> dict[str, Any]:
    """What our controller says of its address; empty: nothing."""
    found = service["status"].get("conditions", ())
    return next((one for one in found if one["type"] == CONDITION), {})


def wait_for(
    api: Api, name: str, what: str, until: Callable[[Any], object], *, namespace: str = "default"
) -> Any:
    """The Service, once `until` is content with it."""

    def judge(services: list[Any]) -> Any:
        return services[0] if services and until(services[0]) else None

    return api.wait("Service", judge, what, name=name, namespace=namespace)


def wait_for_event(api: Api, name: str, reason: str, words: str = "", namespace: str = "default") -> str:
    """The message of an Event about a Service that has these words."""

    def judge(events: list[Any]) -> str | None:
        return next((one["message"] for one in events if words in one["message"]), None)

    fields = f"involvedObject.name={name},reason={reason}"
    what = f"an Event {reason} of {name} with {words!r}"
    return api.wait("Event", judge, what, namespace=namespace, fields=fields)


def wait_for_announcer(api: Api, name: str, *among: str, timeout: float = TIMEOUT) -> str:
    """The node that the one ServiceL2Status of a Service names, once it is one of these (none given: any)."""

    def judge(statuses: list[Any]) -> str | None:
        nodes = [one.get("status", {}).get("node") for one in statuses]
        return nodes[0] if len(nodes) == 1 and nodes[0] in (among or nodes) else None

    what = f"{name} to be announced by {' or '.join(among) or 'one node'}"
    return api.wait("ServiceL2Status", judge, what, labels=f"metallb.io/service-name={name}", timeout=timeout)


def wait_until_withheld(lab: KubernetesLab, name: str, reason: str, but: str = "") -> None:
    """Until every speaker, but one perhaps, says that for this reason it does not announce a Service on the LAN."""

    def withholding() -> set[str]:
        return {
            node
            for node, status in lab.statuses().items()
            for one in (status.withheld if status is not None else ())
            if (one.service, one.by, one.reason) == (f"default/{name}", "l2", reason)
        }

    wanted = {node.name for node in lab.network.nodes} - {but}
    wait_until(
        lambda: withholding() == wanted,
        timeout=TIMEOUT,
        what=f"{wanted} to withhold {name}: {reason}",
        seen=lambda: explain(lab),
    )


def wait_for_answer(
    lab: KubernetesLab, address: str, port: int = PORT, client: Host = INSIDE, among: Sequence[str] = ()
) -> str:
    """The name of a Pod that answers a client by HTTP, once one does (of `among`, if given)."""
    refusals: list[str] = []

    def ask() -> str | None:
        try:
            answer = lab.get(address, port, client=client)
        except OSError as error:
            refusals.append(str(error))
            return None
        return answer.text if answer.status == 200 and (not among or answer.text in among) else None

    return wait_until(
        ask,
        timeout=ANSWER_TIMEOUT,
        what=f"{address} to answer {client.name}",
        seen=lambda: (refusals[-1:], explain(lab)),
    )


def wait_for_states(api: Api, verdicts: Mapping[str, str], without: str = "") -> dict[str, Any]:
    """All ConfigurationStates by name, once each of these says so: `""` that all is valid, other words what is wrong."""

    def is_right(state: Any, words: str) -> bool:
        status = state.get("status", {})
        if not words:
            return status.get("result") == "Valid" and status.get("errorSummary") == ""
        told = status.get("errorSummary", "")
        return status.get("result") == "Invalid" and words in told and not (without and without in told)

    def judge(states: list[Any]) -> dict[str, Any] | None:
        found = {one["metadata"]["name"]: one for one in states}
        is_said = all(name in found and is_right(found[name], words) for name, words in verdicts.items())
        return found if is_said else None

    return api.wait("ConfigurationState", judge, f"ConfigurationStates {dict(verdicts)}")
