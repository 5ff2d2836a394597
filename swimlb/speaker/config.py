"""How one speaker was told to run, and how long it waits for what."""

from __future__ import annotations

from dataclasses import dataclass

from swimlb.speaker.links import SubnetRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    node: str
    """This node's name: the member's name in the ring and the Node's name in Kubernetes."""
    is_data_path_local: bool = False
    """Standalone mode: traffic for a Service address ends on this node, so the address is put on `lo`."""
    is_exclude_label_ignored: bool = False
    subnet_rule: SubnetRule = SubnetRule.PREFER
    is_probing: bool = False
    """Ask whether a stranger has an address before it is announced for the first time."""
    is_hearing_checked: bool = False
    """Ask on the LAN, now and then, whether other members hear who asks for their addresses, and pass over the deaf."""
    is_chaining: bool = False
    """Send packets of connections that this node does not know to who had their address before (`former_owners`)."""
    goodbye_max: float = 30.0
    """For how long a member that has said goodbye is sent on to, if its host answers. Longer than a speaker needs that is replaced
    by a new version."""
    handover_max: float = 1.0
    """How long a leaving owner answers on while it does not hear its successor.

    Longer than gossip needs to tell the successor (one round, 0.2 s at most) and than a busy node needs to act.
    """
    handover_nudge: float = 0.3
    """When a leaving owner that has heard nothing announces once more, so that its successor defends the address.

    A successor that was cut off and never noticed has no reason of its own to announce: it was the owner all along.
    """
    claim_memory: float = 2.0
    """A claim heard this short a time before the plan names another owner was that owner's."""
    join_max: float = 3.0
    """How long to wait for the ring before announcing alone. A node that is cut off serves its own segment."""
    ring_settle: float = 0.2
    """From the first member that is heard of to announcing: the table of that member is known by then."""
    return_settle: float = 2.0
    """The same while members that this node has lost are still missing: it was probably this node that was cut off,
    and whoever it does not hear of yet may serve what it would announce.

    Longer than the second after which a kernel asks anew for a neighbour's MAC: of the first questions on a link that has come
    back, some get lost, and this node is deaf and dumb to that one neighbour until then.
    """
    work_per_turn: int = 3000
    """How much of the plan is found anew at a time, in candidates that are weighed: some milliseconds, so that gossip
    is answered in between. What an event touches is mostly less."""
    changes_per_turn: int = 100
    """How many addresses something is done about at a time because their time has come; the rest is due at once."""
    drain_max: float = 3.0
    leave_max: float = 1.0
    linger: float = 0.1
    """From the last handover to the end: what was sent before neighbours switched is still answered."""
