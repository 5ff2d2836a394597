"""One module per group of kinds: what their fields are, and the rules that one object can break by itself."""

from __future__ import annotations

from swimlb.config.kinds import cluster, peer, pool, service, workload
from swimlb.config.kinds.common import Kind, Object, Options, Scope

ALL_KINDS: tuple[Kind, ...] = (*pool.KINDS, *peer.KINDS, *cluster.KINDS, *service.KINDS, *workload.KINDS)

__all__ = ["ALL_KINDS", "Kind", "Object", "Options", "Scope"]
