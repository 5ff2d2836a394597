"""The responder and neighbor discovery: who is answered, how, and which groups are joined for it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Interface

import pytest

from announce.l2 import (
    AnnouncementHeard,
    AnnounceRequested,
    ClaimKind,
    CloseInterface,
    Config,
    DefendRequested,
    DropReason,
    FrameDropped,
    FramesReceived,
    GroupFailed,
    HandOverRequested,
    InterfaceAdded,
    InterfaceChanged,
    InterfaceFailed,
    JoinGroup,
    LeaveGroup,
    OpenInterface,
    ProbeRequested,
    ReannounceRequested,
    SendFrame,
    SendReplies,
    SetFilter,
    SolicitRequested,
    WatchRequested,
    WithdrawRequested,
    ndp,
)
from announce.l2.ndp import (
    ALL_NODES,
    Flag,
    MessageType,
    NdpFrame,
    announcement,
    encode,
    group_mac,
    probe,
    reply,
    reply_template,
    solicited_node,
)
from tests.unit.announce.l2.playbook import (
    MAC,
    OTHER_VIP6,
    PEER6,
    PEER_MAC,
    VIP6,
    Playbook,
    dad_probe,
    ethernet,
    solicitation,
)

GROUP = solicited_node(VIP6)
ANSWER = SendReplies("eth0", (reply(reply_template(MAC, VIP6), PEER_MAC, PEER6.packed),))
ANNOUNCEMENT = SendFrame("eth0", announcement(MAC, VIP6))
NO_REFRESH = Config(refresh_interval=None)


def advertisement(mac: bytes = PEER_MAC, *, flags: Flag = Flag.OVERRIDE, to: bytes = ALL_NODES) -> bytes:
    """Somebody says to have VIP6."""
    to_mac = group_mac(to) if to == ALL_NODES else MAC
    return encode(NdpFrame(to_mac, mac, VIP6.packed, to, MessageType.ADVERTISEMENT, flags, VIP6.packed, mac))


def announcing() -> Playbook:
    play = Playbook(ethernet(), config=NO_REFRESH)
    play.at(0.0, AnnounceRequested(VIP6))
    play.until(10.0)
    return play


class TestAnswers:
    @pytest.mark.parametrize(
        "question",
        [
            solicitation(),
            solicitation(to_mac=MAC, to=VIP6),
            solicitation(to_mac=MAC, to=VIP6, link_layer=None),
            solicitation(link_layer=None),
        ],
        ids=["to the group", "unicast probe", "unicast probe without option", "to the group without option"],
    )
    def test_answers_the_neighbor_that_asks(self, question: bytes) -> None:
        """First questions and probes of what is known, with the asking MAC in an option or only in the frame."""
        play = announcing()

        assert play.at(11.0, FramesReceived("eth0", (question,))) == [ANSWER]

    def test_answers_everybody_when_a_neighbor_wants_the_address_for_itself(self) -> None:
        """It has no address to answer to yet (RFC 4862 section 5.4.3)."""
        play = announcing()

        assert play.at(11.0, FramesReceived("eth0", (dad_probe(),))) == [
            SendReplies("eth0", (announcement(MAC, VIP6),))
        ]

    @pytest.mark.parametrize(
        ("question", "reason"),
        [
            (solicitation(OTHER_VIP6), DropReason.NOT_ANNOUNCED),
            (solicitation(to_mac=bytes.fromhex("020000000077"), to=VIP6), DropReason.WRONG_DESTINATION),
            (solicitation(sender_mac=MAC, link_layer=MAC), DropReason.OWN_FRAME),
            (solicitation()[:-1] + b"\xff", DropReason.CHECKSUM),
            (solicitation()[:21] + b"\xfe" + solicitation()[22:], DropReason.HOP_LIMIT),
            (solicitation()[:21] + b"\x01" + solicitation()[22:], DropReason.HOP_LIMIT),
            (solicitation()[:-1], DropReason.TRUNCATED),
            (
                solicitation(sender_mac=bytes.fromhex("0200000000bb"), link_layer=bytes(6)),
                DropReason.SENDER_MAC,
            ),
            # Without the option an answer goes to where the frame says that it comes from.
            (solicitation(sender_mac=bytes.fromhex("333300000001"), link_layer=None), DropReason.SENDER_MAC),
            (solicitation(sender_mac=bytes(6), link_layer=None), DropReason.SENDER_MAC),
        ],
    )
    def test_does_not_answer_what_is_not_its_business(self, question: bytes, reason: DropReason) -> None:
        """And says why, so that it can be counted."""
        play = announcing()

        assert play.at(11.0, FramesReceived("eth0", (question,))) == [FrameDropped("eth0", reason)]

    def test_is_silent_after_the_withdrawal(self) -> None:
        """At once, and the group is left."""
        play = announcing()

        effects = play.at(11.0, WithdrawRequested(VIP6))

        assert effects == [LeaveGroup("eth0", GROUP)]
        assert play.at(11.0, FramesReceived("eth0", (solicitation(),))) == [
            FrameDropped("eth0", DropReason.NOT_ANNOUNCED)
        ]

    def test_answers_on_while_handing_over_but_announces_no_more(self) -> None:
        """As for ARP."""
        play = Playbook(ethernet())
        play.at(0.0, AnnounceRequested(VIP6))
        play.at(0.01, HandOverRequested(VIP6))

        assert not [effect for _, effect in play.until(100.0) if isinstance(effect, SendFrame)]
        assert play.at(101.0, FramesReceived("eth0", (solicitation(),))) == [ANSWER]

    def test_counts_what_it_does(self) -> None:
        """For each address."""
        play = announcing()
        play.at(11.0, FramesReceived("eth0", (solicitation(),)))

        tally = play.responder.tally(VIP6)

        assert tally is not None
        assert (tally.requests_answered, tally.announcements_sent) == (1, len(NO_REFRESH.announce_at))


class TestAnnouncing:
    def test_announces_in_the_same_pattern_as_arp(self) -> None:
        """At once, and again at 50 and 150 ms and further on."""
        play = Playbook(ethernet(), config=NO_REFRESH)

        effects = play.at(0.0, AnnounceRequested(VIP6))
        played = play.until(10.0)

        assert effects == [SetFilter("eth0", None), JoinGroup("eth0", GROUP), ANNOUNCEMENT]
        assert [round(now, 6) for now, effect in played if effect == ANNOUNCEMENT] == list(
            NO_REFRESH.announce_at[1:]
        )

    def test_announces_again_with_another_mac(self) -> None:
        """Neighbors would keep sending to the card that is gone."""
        play = announcing()
        mac = bytes.fromhex("020000000009")

        effects = play.at(11.0, InterfaceChanged(ethernet(mac=mac)))

        assert effects == [SendFrame("eth0", announcement(mac, VIP6))]
        assert play.at(11.0, FramesReceived("eth0", (solicitation(),))) == [
            SendReplies("eth0", (reply(reply_template(mac, VIP6), PEER_MAC, PEER6.packed),))
        ]

    def test_defends_and_announces_anew_like_arp(self) -> None:
        """The same two orders serve both families."""
        play = announcing()

        assert play.at(11.0, DefendRequested(VIP6)) == [ANNOUNCEMENT]
        assert play.at(11.0, DefendRequested(VIP6)) == []
        assert play.at(11.0, ReannounceRequested(VIP6)) == [ANNOUNCEMENT]

    def test_asks_without_claiming(self) -> None:
        """A probe on every interface, for an address that it does not have."""
        play = Playbook(ethernet())

        assert play.at(1.0, ProbeRequested(VIP6)) == [SendFrame("eth0", probe(MAC, VIP6))]

    def test_asks_from_its_own_address_for_an_answer_of_its_own(self) -> None:
        """The answer is told as one, for an address that is watched, and goes to nobody else."""
        own = IPv6Interface("fe80::1/64")
        play = Playbook(replace(ethernet(), addresses=(own,)))
        owner = Playbook(ethernet(mac=PEER_MAC))
        owner.at(0.0, AnnounceRequested(VIP6))
        owner.until(9.0)
        play.at(0.5, WatchRequested(VIP6))
        play.until(0.9)

        (asked,) = play.at(1.0, SolicitRequested(VIP6))
        assert isinstance(asked, SendFrame)
        (answer,) = owner.at(10.0, FramesReceived("eth0", (asked.frame,)))
        assert isinstance(answer, SendReplies)
        heard = play.at(10.0, FramesReceived("eth0", answer.frames))

        assert asked == SendFrame("eth0", ndp.solicitation(MAC, own.ip, VIP6))
        assert answer.frames[0][:6] == MAC
        assert AnnouncementHeard(VIP6, PEER_MAC, "eth0", ClaimKind.REPLY) in heard

    def test_asks_nobody_where_it_has_no_address_to_ask_from(self) -> None:
        """An answer to a probe could not be told from an announcement."""
        play = Playbook(ethernet())

        assert play.at(1.0, SolicitRequested(VIP6)) == []

    def test_asks_as_soon_as_it_has_an_address_to_ask_from(self) -> None:
        """The kernel takes a second or two to find that nobody else has it, and the interface is open by then."""
        own = IPv6Interface("fe80::1/64")
        play = Playbook(ethernet())

        play.at(2.0, InterfaceChanged(replace(ethernet(), addresses=(own,))))

        assert play.at(3.0, SolicitRequested(VIP6)) == [
            SendFrame("eth0", ndp.solicitation(MAC, own.ip, VIP6))
        ]


class TestGroups:
    def test_addresses_that_end_alike_share_a_group(self) -> None:
        """It is joined with the first and left with the last."""
        alike = IPv6Address("2001:db8:1::aa:10")
        play = announcing()

        joined = play.at(11.0, AnnounceRequested(alike))
        first = play.at(12.0, WithdrawRequested(VIP6))
        last = play.at(13.0, WithdrawRequested(alike))

        assert not [effect for effect in joined if isinstance(effect, JoinGroup)]
        assert not [effect for effect in first if isinstance(effect, LeaveGroup)]
        assert [effect for effect in last if isinstance(effect, LeaveGroup)] == [LeaveGroup("eth0", GROUP)]

    def test_joins_on_an_interface_that_appears_later(self) -> None:
        """And only there."""
        play = announcing()

        effects = play.at(11.0, InterfaceAdded(ethernet("eth1", index=3)))

        assert effects[:3] == [
            OpenInterface("eth1"),
            SetFilter("eth1", None),
            JoinGroup("eth1", GROUP),
        ]

    def test_an_interface_that_is_closed_needs_no_leaving(self) -> None:
        """Its memberships end with it, and begin anew with the next opening."""
        play = announcing()

        closed = play.at(11.0, InterfaceChanged(ethernet(is_up=False)))
        opened = play.at(12.0, InterfaceChanged(ethernet()))

        assert closed == [CloseInterface("eth0")]
        assert JoinGroup("eth0", GROUP) in opened

    def test_tries_again_when_the_kernel_refuses(self) -> None:
        """IPv6 may be switched off on the interface, and on again; people hear of it once."""
        play = announcing()

        first = play.at(11.0, GroupFailed("eth0", GROUP, "No such device"))
        again = play.until(12.0)
        second = play.at(12.0, GroupFailed("eth0", GROUP, "No such device"))

        assert first == [InterfaceFailed("eth0", "No such device")]
        assert again == [(12.0, JoinGroup("eth0", GROUP))]
        assert second == []

    def test_gives_up_on_a_group_that_nobody_needs(self) -> None:
        """A withdrawn address leaves no timer behind that joins for it."""
        play = announcing()
        play.at(11.0, GroupFailed("eth0", GROUP, "No such device"))

        play.at(11.1, WithdrawRequested(VIP6))

        assert not [effect for _, effect in play.until(20.0) if isinstance(effect, JoinGroup)]


class TestClaims:
    @pytest.mark.parametrize(
        ("frame", "kind"),
        [
            (advertisement(), ClaimKind.GRATUITOUS),
            (advertisement(flags=Flag.SOLICITED, to=PEER6.packed), ClaimKind.REPLY),
            (solicitation(PEER6, sender=VIP6), ClaimKind.REQUEST),
        ],
    )
    @pytest.mark.parametrize("order", [AnnounceRequested(VIP6), WatchRequested(VIP6)])
    def test_tells_who_else_uses_an_address(
        self, frame: bytes, kind: ClaimKind, order: AnnounceRequested | WatchRequested
    ) -> None:
        """However it shows."""
        play = Playbook(ethernet(), config=NO_REFRESH)
        play.at(0.0, order)

        effects = play.at(1.0, FramesReceived("eth0", (frame,)))

        assert AnnouncementHeard(VIP6, PEER_MAC, "eth0", kind) in effects

    def test_a_probe_is_no_claim(self) -> None:
        """Whoever asks first whether it may, does not say that it has the address."""
        play = announcing()

        effects = play.at(11.0, FramesReceived("eth0", (dad_probe(),)))

        assert not [effect for effect in effects if isinstance(effect, AnnouncementHeard)]

    def test_its_own_frames_are_no_claims(self) -> None:
        """Another card of this host may be on the same LAN."""
        play = announcing()

        assert play.at(11.0, FramesReceived("eth0", (advertisement(MAC),))) == [
            FrameDropped("eth0", DropReason.OWN_FRAME)
        ]
