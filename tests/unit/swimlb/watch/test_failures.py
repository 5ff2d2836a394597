"""What *wire* withholds for want of an interface, as an Event at an API server."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import msgpack

from swimlb.kube.access import Access
from swimlb.kube.client import Client
from swimlb.kube.complaints import Complaints
from swimlb.observe.logs import EventLog
from swimlb.runtime import records
from swimlb.runtime.replica import Batch, Publisher
from swimlb.speaker.links import Link, name_id
from swimlb.speaker.presence import Presence
from swimlb.speaker.rules import RuleOptions
from swimlb.watch.cluster import ClusterRecords
from swimlb.watch.failures import FailureKeeper
from swimlb.watch.service_events import ServiceEvents
from tests.unit.swimlb.kube.cluster import small_cluster
from tests.unit.swimlb.watch.test_cluster import HIGH, LOW, resolved, service
from tests.unit.swimlb.watch.test_reports import WritableCluster, until

PRESENCE = Presence.of(links=(Link(name_id("eth0"), b"\x02\0\0\0\0\x01"),))


def facts(reason: str) -> Batch:
    """This node is alone in the ring, and withholds the Service."""
    told = {
        "presence/node-a": {"name": "node-a", "meta": PRESENCE.encode()},
        "withheld/default/web/l2": {"service": "default/web", "by": "l2", "reason": reason},
    }
    return Batch({key: msgpack.packb(value) for key, value in told.items()}, frozenset())


def cluster_records() -> ClusterRecords:
    cluster = ClusterRecords(Publisher(records.SCHEMA))
    known = resolved(LOW, HIGH)
    [lan] = known.configuration.l2_advertisements
    on_eth9 = replace(known.configuration, l2_advertisements=(replace(lan, interfaces=("eth9",)),))
    cluster.configure(replace(known, configuration=on_eth9))
    cluster.put_service(service("web", "192.0.2.1"))
    cluster.put_endpoints("default/web", frozenset({"node-a"}))
    cluster.begin()
    cluster.work(1)
    return cluster


def test_the_node_that_would_announce_says_what_it_lacks() -> None:
    """In MetalLB's words; what is withheld for another reason is told elsewhere."""

    async def scene() -> None:
        async with small_cluster() as small, Client(Access(server=small.server.url)) as client:
            written = WritableCluster(small)
            complaints = Complaints(EventLog(logging.getLogger("swimlb.test")), "speaker")
            keeper = FailureKeeper("node-a", cluster_records(), RuleOptions())
            keeper.learn(facts("NodeJoining"))
            async with asyncio.TaskGroup() as tasks:
                uids = {"default/web": "uid-web"}
                events = ServiceEvents("node-a", "speaker-x", client, uids, complaints, tasks)
                running = tasks.create_task(keeper.run(events))
                keeper.learn(facts("NoInterface"))
                await until(lambda: written.events)
                running.cancel()
                events.close()
            [event] = written.events
            assert (event["type"], event["reason"]) == ("Warning", "announceFailed")
            assert event["source"]["component"] == "metallb-speaker"
            assert event["message"] == (
                'the interfaces specified by LB IP "192.0.2.1" doesn\'t exist in assigned node "node-a" '
                'with protocol "layer2"'
            )

    asyncio.run(scene())
