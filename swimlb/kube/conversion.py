"""BGPPeer between its versions v1beta1 and v1beta2, as MetalLB converts it.

v1beta1 has no way to leave timers out: unset ones mean 0 s there, and come out so. What v1beta1 does not know is lost
on the way to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from swimlb.kube.untyped import Json, mapping, mappings

OLD, NEW = "metallb.io/v1beta1", "metallb.io/v1beta2"
KIND = "BGPPeer"

_COMMON = (
    "myASN",
    "peerASN",
    "peerAddress",
    "sourceAddress",
    "peerPort",
    "holdTime",
    "keepaliveTime",
    "routerID",
    "nodeSelectors",
    "password",
    "bfdProfile",
    "ebgpMultiHop",
)
_TIMERS = ("holdTime", "keepaliveTime")
_REQUIRED_IN_OLD: Mapping[str, object] = {"myASN": 0, "peerASN": 0, "peerAddress": ""}


class NotConvertible(ValueError):
    """The object is no BGPPeer, or of a version that is not known. Nothing was converted."""


def convert(source: object, version: str) -> Json:
    """The object in another version (`metallb.io/v1beta1`); its metadata and status stay. Raises NotConvertible."""
    content = mapping(source)
    given, kind = content.get("apiVersion"), content.get("kind")
    if kind != KIND or given not in (OLD, NEW) or version not in (OLD, NEW):
        raise NotConvertible(f"there is no way from {kind} {given} to {version}")
    if given == version:
        return dict(content)
    spec = mapping(content.get("spec"))
    converted = {name: spec[name] for name in _COMMON if spec.get(name) is not None}
    for name in _TIMERS:
        converted.setdefault(name, "0s")
    if version == NEW:
        if converted.get("peerPort") == 0:
            del converted["peerPort"]
    else:
        selectors = mappings(converted.get("nodeSelectors"))
        converted = {**_REQUIRED_IN_OLD, **converted}
        if selectors:
            converted["nodeSelectors"] = [_old_selector(one) for one in selectors]
    return {**content, "apiVersion": version, "spec": converted}


def _old_selector(selector: Json) -> Json:
    """v1beta1 wants `values` in every expression."""
    expressions = mappings(selector.get("matchExpressions"))
    if not expressions:
        return selector
    return {**selector, "matchExpressions": [{"values": [], **one} for one in expressions]}
