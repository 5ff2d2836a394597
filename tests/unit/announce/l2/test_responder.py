"""The responder in virtual time: who is answered, what is announced, what is told."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from itertools import pairwise

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
    HandOverRequested,
    Interface,
    InterfaceAdded,
    InterfaceChanged,
    InterfaceFailed,
    InterfaceRemoved,
    OpenInterface,
    ReannounceRequested,
    SendFailed,
    SendFrame,
    SendReplies,
    SetFilter,
    SocketFailed,
    SolicitRequested,
    UnwatchRequested,
    WatchRequested,
    WithdrawRequested,
    ndp,
)
from announce.l2.arp import BROADCAST, Operation, announcement, reply, reply_template
from announce.l2.events import IpAddress
from tests.unit.announce.l2.playbook import (
    MAC,
    OTHER_VIP,
    PEER,
    PEER_MAC,
    VIP,
    VIP6,
    Playbook,
    announced_at,
    ethernet,
    frame,
    question,
)

OTHER_MAC = bytes.fromhex("020000000002")
NO_REFRESH = Config(refresh_interval=None)


def announcements(interface: str = "eth0", mac: bytes = MAC, address: IPv4Address = VIP) -> list[SendFrame]:
    return [SendFrame(interface, octets) for octets in announcement(mac, address)]


def answer(asked: bytes, interface: str = "eth0", mac: bytes = MAC) -> SendReplies:
    return SendReplies(interface, (reply(reply_template(mac, VIP), asked[22:28], asked[28:32]),))


class TestAnswering:
    @pytest.mark.parametrize("to", [BROADCAST, MAC], ids=["broadcast", "unicast"])
    def test_answers_a_request_for_an_announced_address(self, to: bytes) -> None:
        """To everyone or to this interface alone: both are questions for us."""
        play = Playbook(ethernet())
        play.at(1.0, AnnounceRequested(VIP))

        effects = play.at(2.0, FramesReceived("eth0", (question(to=to),)))

        assert effects == [answer(question(to=to))]

    def test_answers_a_probe(self) -> None:
        """A host that checks whether the address is free (sender 0.0.0.0) has to learn that it is not."""
        probe = question(sender=IPv4Address("0.0.0.0"))
        play = Playbook(ethernet())
        play.at(1.0, AnnounceRequested(VIP))

        assert play.at(2.0, FramesReceived("eth0", (probe,))) == [answer(probe)]

    @pytest.mark.parametrize(
        ("octets", "reason"),
        [
            (question(OTHER_VIP), DropReason.NOT_ANNOUNCED),
            (question(to=OTHER_MAC), DropReason.WRONG_DESTINATION),
            (question(to=bytes.fromhex("01005e000001")), DropReason.WRONG_DESTINATION),
            (frame(Operation.REPLY, PEER, VIP, to=MAC), DropReason.REPLY),
            (frame(Operation.REQUEST, PEER, VIP, sender_mac=MAC), DropReason.OWN_FRAME),
            (question()[:41], DropReason.TRUNCATED),
            (question()[:14] + b"\x00\x06" + question()[16:], DropReason.HARDWARE_TYPE),
            (question()[:20] + b"\x00\x03" + question()[22:], DropReason.OPERATION),
            (frame(Operation.REQUEST, PEER, VIP, sender_mac=bytes(6)), DropReason.SENDER_MAC),
        ],
    )
    def test_says_why_it_does_not_answer(self, octets: bytes, reason: DropReason) -> None:
        """Every frame is answered or counted."""
        play = Playbook(ethernet())
        play.at(1.0, AnnounceRequested(VIP))

        assert play.at(2.0, FramesReceived("eth0", (octets,))) == [FrameDropped("eth0", reason)]

    def test_is_silent_from_the_withdrawal_on(self) -> None:
        """No answer, no announcement; the filter follows."""
        play = Playbook(ethernet())
        play.at(1.0, AnnounceRequested(VIP))

        play.at(1.01, WithdrawRequested(VIP))

        assert play.at(1.02, FramesReceived("eth0", (question(),))) == [
            FrameDropped("eth0", DropReason.NOT_ANNOUNCED)
        ]
        assert play.until(100.0) == [(2.0, SetFilter("eth0", frozenset()))]

    def test_a_withdrawal_is_final(self) -> None:
        """An interface that appears afterwards does not bring the address back."""
        play = Playbook(ethernet())
        play.at(1.0, AnnounceRequested(VIP))
        play.at(2.0, WithdrawRequested(VIP))

        effects = play.at(3.0, InterfaceAdded(ethernet("eth1", index=3, mac=OTHER_MAC)))

        assert effects == [OpenInterface("eth1")]
        assert (play.responder.addresses, play.responder.tally(VIP)) == (frozenset(), None)

    def test_counts_what_it_does_for_an_address(self) -> None:
        """The tally lives as long as the address is asked for."""
        play = Playbook(ethernet(), config=NO_REFRESH)
        play.at(0.0, AnnounceRequested(VIP))
        play.at(0.0, FramesReceived("eth0", (question(),)))
        play.until(60.0)

        tally = play.responder.tally(VIP)

        assert tally is not None
        assert (tally.requests_answered, tally.announcements_sent) == (1, 7)


class TestAnnouncing:
    def test_opens_widens_and_announces_in_this_order(self) -> None:
        """Nothing is announced that the filter would keep us from being asked about."""
        play = Playbook()
        opened = play.at(0.0, InterfaceAdded(ethernet()))

        effects = play.at(1.0, AnnounceRequested(VIP))

        assert opened == [OpenInterface("eth0")]
        assert effects == [SetFilter("eth0", None), *announcements()]

    def test_follows_the_takeover_pattern(self) -> None:
        """0, 50 and 150 ms for the lost broadcast, then MetalLB's seconds."""
        play = Playbook(ethernet(), config=NO_REFRESH)
        play.at(10.0, AnnounceRequested(VIP))

        assert announced_at(play.until(100.0)) == [10.05, 10.15, 11.1, 12.2, 13.3, 14.4]

    def test_announcing_again_is_nothing_new(self) -> None:
        """A speaker may say so on every event without a burst on the wire."""
        play = Playbook(ethernet())
        play.at(1.0, AnnounceRequested(VIP))

        assert play.at(1.01, AnnounceRequested(VIP)) == []

    @pytest.mark.parametrize("address", [VIP, VIP6], ids=["ARP", "NDP"])
    def test_refreshes_from_then_on(self, address: IpAddress) -> None:
        """Switches forget: the announcement is the same as that of a takeover, and there is one every 45 to 60 s."""
        play = Playbook(ethernet())
        frames = announcement(MAC, VIP) if address == VIP else (ndp.announcement(MAC, VIP6),)
        play.at(0.0, AnnounceRequested(address))
        play.until(10.0)

        played = play.until(610.0)

        times = [now for now, effect in played if effect == SendFrame("eth0", frames[0])]
        assert [effect for _, effect in played] == [SendFrame("eth0", frame) for frame in frames] * len(times)
        assert all(45.0 <= later - earlier <= 60.0 for earlier, later in pairwise([4.4, *times]))
        assert times[-1] > 550.0

    def test_thousands_leave_at_the_rate_and_a_new_takeover_overtakes_them(self) -> None:
        """Of both families together: the port's rate is one, and the last to move has the most to lose."""
        play = Playbook(ethernet(), config=NO_REFRESH)
        sent = [
            effect
            for host in range(1500)
            for address in (IPv4Address("198.18.0.0") + host, IPv6Address("2001:db8:1::") + host)
            for effect in play.at(0.0, AnnounceRequested(address))
            if isinstance(effect, SendFrame)
        ]
        sent += [effect for _, effect in play.until(1.0) if isinstance(effect, SendFrame)]

        overtaking = [*play.at(1.0, AnnounceRequested(VIP)), *(effect for _, effect in play.until(1.003))]

        assert 1000 < len(sent) <= 500 + 1000
        assert [effect for effect in overtaking if isinstance(effect, SendFrame)][:2] == announcements()

    def test_other_addresses_do_not_disturb_the_pattern(self) -> None:
        """What happens to one address causes no announcement of another."""
        play = Playbook(ethernet(), config=NO_REFRESH)
        play.at(0.0, AnnounceRequested(VIP))
        play.until(10.0)

        play.at(20.0, AnnounceRequested(OTHER_VIP))
        play.at(20.5, WithdrawRequested(OTHER_VIP))

        assert announced_at(play.until(100.0)) == []

    def test_reannounces_when_asked(self) -> None:
        """The winner of a conflict says so at once, in full."""
        play = Playbook(ethernet(), config=NO_REFRESH)
        play.at(0.0, AnnounceRequested(VIP))
        play.until(10.0)

        effects = play.at(20.0, ReannounceRequested(VIP))

        assert effects == announcements()
        assert announced_at(play.until(100.0)) == [20.05, 20.15, 21.1, 22.2, 23.3, 24.4]

    def test_defends_once_in_the_interval(self) -> None:
        """RFC 5227 section 2.4: no more often than every DEFEND_INTERVAL."""
        play = Playbook(ethernet(), config=NO_REFRESH)
        play.at(0.0, AnnounceRequested(VIP))
        play.until(10.0)

        first = play.at(20.0, DefendRequested(VIP))
        second = play.at(29.9, DefendRequested(VIP))
        third = play.at(30.0, DefendRequested(VIP))

        assert (first, second, third) == (announcements(), [], announcements())

    def test_announces_no_more_while_it_hands_over(self) -> None:
        """It still answers, but the last announcement on the wire is the successor's, whatever is asked for."""
        play = Playbook(ethernet())
        play.at(0.0, AnnounceRequested(VIP))

        effects = play.at(0.01, HandOverRequested(VIP))

        assert effects == []
        assert play.at(0.02, ReannounceRequested(VIP)) == []
        assert play.at(0.03, DefendRequested(VIP)) == []
        assert announced_at(play.until(100.0)) == []
        assert play.at(101.0, FramesReceived("eth0", (question(),))) == [answer(question())]

    def test_announces_again_when_it_keeps_the_address_after_all(self) -> None:
        """The successor may be gone before it has announced."""
        play = Playbook(ethernet(), config=NO_REFRESH)
        play.at(0.0, AnnounceRequested(VIP))
        play.until(10.0)
        play.at(10.0, HandOverRequested(VIP))

        effects = play.at(11.0, AnnounceRequested(VIP))

        assert effects == announcements()
        assert announced_at(play.until(100.0)) == [11.05, 11.15, 12.1, 13.2, 14.3, 15.4]

    @pytest.mark.parametrize(
        "event",
        [
            HandOverRequested(VIP),
            WithdrawRequested(VIP),
            ReannounceRequested(VIP),
            DefendRequested(VIP),
            UnwatchRequested(VIP),
        ],
    )
    def test_ignores_orders_about_an_address_that_it_does_not_have(self, event: WithdrawRequested) -> None:
        """Late orders are harmless."""
        play = Playbook(ethernet())

        assert play.at(1.0, event) == []
        assert play.until(10.0) == []


class TestInterfaces:
    def test_announces_on_every_suitable_interface(self) -> None:
        """Each with its own MAC."""
        play = Playbook(ethernet(), ethernet("eth1", index=3, mac=OTHER_MAC))

        effects = play.at(1.0, AnnounceRequested(VIP))

        assert effects == [
            SetFilter("eth0", None),
            SetFilter("eth1", None),
            *announcements("eth0", MAC),
            *announcements("eth1", OTHER_MAC),
        ]
        assert play.responder.interfaces_of(VIP) == {"eth0", "eth1"}

    def test_keeps_to_the_interfaces_that_are_named(self) -> None:
        """The others neither announce nor answer."""
        play = Playbook(ethernet(), ethernet("eth1", index=3, mac=OTHER_MAC))

        effects = play.at(1.0, AnnounceRequested(VIP, frozenset({"eth1"})))

        assert effects == [SetFilter("eth1", None), *announcements("eth1", OTHER_MAC)]
        assert play.at(1.0, FramesReceived("eth0", (question(),))) == [
            FrameDropped("eth0", DropReason.NOT_ANNOUNCED)
        ]

    def test_another_choice_of_interfaces_moves_the_address(self) -> None:
        """Announced where it is new, silent where it was."""
        play = Playbook(ethernet(), ethernet("eth1", index=3, mac=OTHER_MAC))
        play.at(1.0, AnnounceRequested(VIP, frozenset({"eth0"})))

        effects = play.at(1.01, AnnounceRequested(VIP, frozenset({"eth1"})))

        assert effects == [SetFilter("eth1", None), *announcements("eth1", OTHER_MAC)]
        assert play.responder.interfaces_of(VIP) == {"eth1"}

    def test_announces_on_an_interface_that_appears_later(self) -> None:
        """The order stands, whatever comes first."""
        play = Playbook()
        play.at(1.0, AnnounceRequested(VIP))

        effects = play.at(2.0, InterfaceAdded(ethernet()))

        assert effects == [OpenInterface("eth0"), SetFilter("eth0", None), *announcements()]

    def test_goes_with_its_interface(self) -> None:
        """No deadline is left of an interface that is gone."""
        play = Playbook(ethernet())
        play.at(1.0, AnnounceRequested(VIP))

        effects = play.at(2.0, InterfaceRemoved("eth0"))

        assert effects == [CloseInterface("eth0")]
        assert play.responder.next_deadline() is None
        assert play.responder.addresses == {VIP}

    def test_an_interface_that_was_down_announces_anew(self) -> None:
        """What neighbors know may have changed while it was."""
        play = Playbook(ethernet())
        play.at(1.0, AnnounceRequested(VIP))

        down = play.at(2.0, InterfaceChanged(ethernet(is_up=False)))
        up = play.at(3.0, InterfaceChanged(ethernet()))

        assert down == [CloseInterface("eth0")]
        assert up == [OpenInterface("eth0"), SetFilter("eth0", None), *announcements()]

    def test_a_new_mac_is_not_announced_for_an_address_that_is_handed_over(self) -> None:
        """That would be the last announcement on the wire, after the successor's. It is still answered with."""
        play = Playbook(ethernet())
        play.at(0.0, AnnounceRequested(VIP))
        play.at(10.0, HandOverRequested(VIP))

        effects = play.at(10.1, InterfaceChanged(ethernet(mac=OTHER_MAC)))

        assert effects == []
        assert play.at(10.2, FramesReceived("eth0", (question(),))) == [answer(question(), mac=OTHER_MAC)]

    def test_an_interface_that_comes_hears_nothing_of_an_address_that_is_handed_over(self) -> None:
        """It may be the one that was down for a moment."""
        play = Playbook(ethernet())
        play.at(0.0, AnnounceRequested(VIP))
        play.at(10.0, HandOverRequested(VIP))

        play.at(10.1, InterfaceChanged(ethernet(is_up=False)))
        effects = play.at(10.2, InterfaceChanged(ethernet()))

        assert effects == [OpenInterface("eth0"), SetFilter("eth0", None)]
        assert play.at(10.3, FramesReceived("eth0", (question(),)))[-1:] == [answer(question())]

    def test_a_new_mac_is_announced_and_answered_with(self) -> None:
        """Neighbors still send to the old one."""
        play = Playbook(ethernet(), config=NO_REFRESH)
        play.at(0.0, AnnounceRequested(VIP))
        play.until(10.0)

        effects = play.at(20.0, InterfaceChanged(ethernet(mac=OTHER_MAC)))

        assert effects == announcements(mac=OTHER_MAC)
        assert play.at(21.0, FramesReceived("eth0", (question(),)))[-1:] == [
            answer(question(), mac=OTHER_MAC)
        ]

    def test_another_interface_of_the_same_name_is_opened_afresh(self) -> None:
        """The old socket belongs to an interface that is gone."""
        play = Playbook(ethernet(index=2))
        play.at(1.0, AnnounceRequested(VIP))

        effects = play.at(2.0, InterfaceChanged(ethernet(index=9)))

        assert effects == [
            CloseInterface("eth0"),
            OpenInterface("eth0"),
            SetFilter("eth0", None),
            *announcements(),
        ]

    @pytest.mark.parametrize(
        "changed",
        [
            ethernet(),
            replace(ethernet(), has_carrier=False),
            replace(ethernet(), addresses=(IPv4Interface("192.0.2.1/24"),)),
            replace(ethernet(), addresses=(IPv6Interface("fe80::1/64"),)),
        ],
        ids=["nothing", "carrier", "IPv4 address", "IPv6 address"],
    )
    def test_other_changes_of_an_interface_are_no_reason_to_speak(self, changed: Interface) -> None:
        """An address or a carrier that changes causes no burst, nor does its way back."""
        play = Playbook(ethernet(), config=NO_REFRESH)
        play.at(0.0, AnnounceRequested(VIP))
        play.at(0.0, AnnounceRequested(VIP6))
        play.until(10.0)

        effects = [*play.at(20.0, InterfaceChanged(changed)), *play.at(21.0, InterfaceChanged(ethernet()))]

        assert effects == []
        assert play.responder.next_deadline() is None

    def test_opens_a_failed_interface_again(self) -> None:
        """The operating system's refusal is told, and tried again a second later."""
        play = Playbook(ethernet(), config=NO_REFRESH)
        play.at(0.0, AnnounceRequested(VIP))
        play.until(10.0)

        effects = play.at(20.0, SocketFailed("eth0", "Operation not permitted"))

        assert effects == [InterfaceFailed("eth0", "Operation not permitted")]
        assert play.until(21.0) == [
            (21.0, effect) for effect in (OpenInterface("eth0"), SetFilter("eth0", None), *announcements())
        ]

    def test_reports_a_frame_that_could_not_be_sent(self) -> None:
        """Nothing is sent anew: announcements repeat, and neighbors ask again."""
        play = Playbook(ethernet())

        assert play.at(1.0, SendFailed("eth0", "No buffer space available")) == [
            InterfaceFailed("eth0", "No buffer space available")
        ]

    def test_tells_the_same_failure_only_now_and_then(self) -> None:
        """It may come with every frame, and would bury all else in the log; another reason is news."""
        play = Playbook(ethernet())
        lasting, other = (
            SendFailed("eth0", "Network is down"),
            SendFailed("eth0", "No buffer space available"),
        )
        played = [(1.0, lasting), (1.1, lasting), (1.2, other), (60.9, lasting), (61.0, lasting)]

        told = [(now, effect) for now, event in played for effect in play.at(now, event)]

        assert told == [
            (1.0, InterfaceFailed("eth0", "Network is down")),
            (1.2, InterfaceFailed("eth0", "No buffer space available")),
            (61.0, InterfaceFailed("eth0", "Network is down")),
        ]

    def test_drops_frames_of_an_interface_that_is_not_open(self) -> None:
        """A frame may arrive while its interface goes."""
        play = Playbook()

        assert play.at(1.0, FramesReceived("eth0", (question(),))) == [
            FrameDropped("eth0", DropReason.UNKNOWN_INTERFACE)
        ]


class TestFramesTogether:
    def test_all_that_came_together_is_answered_in_one_piece(self) -> None:
        """The answers go first, in the order of the questions; each frame that gets none has its reason."""
        play = Playbook(ethernet())
        play.at(1.0, AnnounceRequested(VIP))
        asked, claim = question(), announcement(PEER_MAC, VIP)[1]

        effects = play.at(2.0, FramesReceived("eth0", (claim, asked, asked[:20], question(to=MAC))))

        assert effects == [
            SendReplies("eth0", (*answer(asked).frames, *answer(question(to=MAC)).frames)),
            AnnouncementHeard(VIP, PEER_MAC, "eth0", ClaimKind.GRATUITOUS),
            FrameDropped("eth0", DropReason.REPLY),
            FrameDropped("eth0", DropReason.TRUNCATED),
        ]
        tally = play.responder.tally(VIP)
        assert tally is not None
        assert tally.requests_answered == 2


class TestListening:
    @pytest.mark.parametrize(
        ("octets", "kind", "dropped"),
        [
            (announcement(PEER_MAC, VIP)[0], ClaimKind.GRATUITOUS, None),
            (announcement(PEER_MAC, VIP)[1], ClaimKind.GRATUITOUS, DropReason.REPLY),
            (frame(Operation.REPLY, VIP, PEER), ClaimKind.REPLY, DropReason.REPLY),
            (frame(Operation.REQUEST, VIP, PEER), ClaimKind.REQUEST, DropReason.NOT_ANNOUNCED),
        ],
        ids=["gratuitous request", "gratuitous reply", "reply", "request"],
    )
    def test_hears_another_station_use_an_announced_address(
        self, octets: bytes, kind: ClaimKind, dropped: DropReason | None
    ) -> None:
        """Whatever the form: the claim is told, with the MAC; a question in it is answered as any other."""
        play = Playbook(ethernet())
        play.at(1.0, AnnounceRequested(VIP))

        effects = play.at(2.0, FramesReceived("eth0", (octets,)))

        heard = AnnouncementHeard(VIP, PEER_MAC, "eth0", kind)
        assert effects == ([heard, FrameDropped("eth0", dropped)] if dropped else [answer(octets), heard])

    def test_does_not_take_its_own_announcement_for_another_s(self) -> None:
        """Two interfaces may be on one LAN: what one says, the other hears."""
        play = Playbook(ethernet(), ethernet("eth1", index=3, mac=OTHER_MAC))
        play.at(1.0, AnnounceRequested(VIP))

        effects = play.at(1.0, FramesReceived("eth1", (announcement(MAC, VIP)[0],)))

        assert effects == [FrameDropped("eth1", DropReason.OWN_FRAME)]

    def test_hears_about_an_address_that_it_only_watches(self) -> None:
        """A leaver watches for its successor; it does not answer for what it watches."""
        play = Playbook(ethernet())
        play.at(1.0, WatchRequested(VIP))

        effects = play.at(2.0, FramesReceived("eth0", (announcement(PEER_MAC, VIP)[0],)))

        assert effects == [
            AnnouncementHeard(VIP, PEER_MAC, "eth0", ClaimKind.GRATUITOUS),
            FrameDropped("eth0", DropReason.NOT_ANNOUNCED),
        ]

    def test_hears_the_answer_to_its_question(self) -> None:
        """Of kind reply, since it goes to who has asked; the announcement of the same owner is of another kind."""
        play, owner = Playbook(ethernet()), Playbook(ethernet(mac=PEER_MAC))
        owner.at(0.0, AnnounceRequested(VIP))
        owner.until(9.0)
        play.at(0.5, WatchRequested(VIP))
        play.until(0.9)

        (asked,) = play.at(1.0, SolicitRequested(VIP))
        assert isinstance(asked, SendFrame)
        (answered,) = owner.at(10.0, FramesReceived("eth0", (asked.frame,)))
        assert isinstance(answered, SendReplies)

        assert AnnouncementHeard(VIP, PEER_MAC, "eth0", ClaimKind.REPLY) in play.at(
            10.0, FramesReceived("eth0", answered.frames)
        )

    def test_watches_on_interfaces_that_appear_later_until_told_not_to(self) -> None:
        """Watching has the same reach as announcing."""
        play = Playbook()
        play.at(1.0, WatchRequested(VIP))

        added = play.at(2.0, InterfaceAdded(ethernet()))
        play.at(3.0, UnwatchRequested(VIP))

        assert added == [OpenInterface("eth0"), SetFilter("eth0", None)]
        assert play.at(4.0, FramesReceived("eth0", (announcement(PEER_MAC, VIP)[1],))) == [
            FrameDropped("eth0", DropReason.REPLY)
        ]


class TestFilter:
    def test_narrows_once_for_many_changes(self) -> None:
        """10 addresses in a row: wide open at the first, narrow once all are there."""
        addresses = [VIP + offset for offset in range(10)]
        play = Playbook(ethernet())

        effects = [effect for address in addresses for effect in play.at(1.0, AnnounceRequested(address))]

        filters = [effect for effect in effects if isinstance(effect, SetFilter)]
        later = [effect for _, effect in play.until(5.0) if isinstance(effect, SetFilter)]
        assert filters == [SetFilter("eth0", None)]
        assert later == [SetFilter("eth0", frozenset(addresses))]

    def test_leaves_alone_a_filter_that_knows_the_address(self) -> None:
        """To announce what is watched changes nothing in the kernel."""
        play = Playbook(ethernet(), config=NO_REFRESH)
        play.at(0.0, WatchRequested(VIP))
        play.until(1.0)

        effects = play.at(2.0, AnnounceRequested(VIP))

        assert effects == announcements()
        assert not [effect for _, effect in play.until(9.0) if isinstance(effect, SetFilter)]
