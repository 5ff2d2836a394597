"""Messages of the application: to one member by packet or by stream, or to many by gossip. Opaque bytes.

By packet and by gossip is best effort. As in memberlist, gossip of this kind is sent on by nobody but its sender,
`retransmit_mult * ceil(log10(n + 1))` times: an application that wants all of a large ring to hear it broadcasts what it
receives, once. MetalLB's speakers ignore all of them.
"""

from __future__ import annotations

from membership.config import Profile
from membership.effects import UserMessageFailed
from membership.events import UserBroadcastRequested, UserMessageRequested
from membership.members import Record, Table
from membership.outbox import Outbox
from membership.streams import Streams, UserSend
from membership.wire.messages import User, encode
from membership.wire.stream import encode_user

PAYLOAD_OCTETS_MAX = 512 * 1024
"""By stream. Octets without any pattern grow by a half when they are compressed, and receivers like us end at 1 MiB."""


class UserMessages:
    """Performs the requests; whatever fails here is told by UserMessageFailed."""

    def __init__(self, profile: Profile, table: Table, outbox: Outbox, streams: Streams) -> None:
        self._profile = profile
        self._table = table
        self._outbox = outbox
        self._streams = streams

    def send(self, request: UserMessageRequested) -> None:
        record = self._table.get(request.member)
        if record is None or not record.is_member:
            self._fail(request.member, "unknown-member")
        elif request.is_reliable:
            self._dial(record, request.payload)
        elif not self._fits(request.payload):
            self._fail(request.member, "too-long")
        else:
            self._outbox.send_alone(record, User(request.payload))

    def broadcast(self, request: UserBroadcastRequested) -> None:
        if not self._fits(request.payload):
            self._fail(None, "too-long")
        elif not self._outbox.broadcast_user(User(request.payload)):
            self._fail(None, "queue-full")

    def end(self, send: UserSend, failure: str | None) -> None:
        """The stream is over: the receiver has closed it, or something else has."""
        if failure is not None:
            self._fail(send.member, failure)

    def _dial(self, record: Record, payload: bytes) -> None:
        if len(payload) > PAYLOAD_OCTETS_MAX:
            self._fail(record.name, "too-long")
            return
        timeout = self._profile.stream_timeout
        self._streams.open(record.endpoint, encode_user(payload), UserSend(record.name), timeout)

    def _fits(self, payload: bytes) -> bool:
        return len(encode(User(payload))) <= self._outbox.message_octets_max

    def _fail(self, member: str | None, reason: str) -> None:
        self._outbox.tell(UserMessageFailed(member, reason))
