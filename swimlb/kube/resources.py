"""The resources that swimlb talks about, and where the API server has them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind in one version, as the API server serves it."""

    group: str
    """Empty: the core group."""
    version: str
    plural: str
    kind: str
    is_namespaced: bool = True

    @property
    def api_version(self) -> str:
        """What stands in the objects' `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def name(self) -> str:
        """`ipaddresspools.metallb.io`, as kubectl and RBAC's messages have it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """The path of a collection (without a name) or of an object. No namespace: all of them."""
        assert not namespace or self.is_namespaced, f"{self.plural} have no namespace"
        assert not (name and self.is_namespaced and not namespace), f"{self.plural} are in a namespace"
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        parts += [quote(part, safe="") for part in (name, subresource) if part]
        return "/".join(parts)


def _core(plural: str, kind: str, *, is_namespaced: bool = True) -> Resource:
    return Resource("", "v1", plural, kind, is_namespaced)


def _ours(plural: str, kind: str, version: str = "v1beta1") -> Resource:
    return Resource("metallb.io", version, plural, kind)


SERVICES = _core("services", "Service")
NODES = _core("nodes", "Node", is_namespaced=False)
NAMESPACES = _core("namespaces", "Namespace", is_namespaced=False)
PODS = _core("pods", "Pod")
SECRETS = _core("secrets", "Secret")
CONFIG_MAPS = _core("configmaps", "ConfigMap")
EVENTS = _core("events", "Event")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
CUSTOM_RESOURCE_DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", is_namespaced=False
)
VALIDATING_WEBHOOK_CONFIGURATIONS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    is_namespaced=False,
)
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", is_namespaced=False)
SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", is_namespaced=False
)

IP_ADDRESS_POOLS = _ours("ipaddresspools", "IPAddressPool")
L2_ADVERTISEMENTS = _ours("l2advertisements", "L2Advertisement")
BGP_ADVERTISEMENTS = _ours("bgpadvertisements", "BGPAdvertisement")
BGP_PEERS = _ours("bgppeers", "BGPPeer", "v1beta2")
BFD_PROFILES = _ours("bfdprofiles", "BFDProfile")
COMMUNITIES = _ours("communities", "Community")
SERVICE_L2_STATUSES = _ours("servicel2statuses", "ServiceL2Status")
SERVICE_BGP_STATUSES = _ours("servicebgpstatuses", "ServiceBGPStatus")
CONFIGURATION_STATES = _ours("configurationstates", "ConfigurationState")
