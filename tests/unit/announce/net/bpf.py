"""Classic BPF as the kernel runs it, for the instructions that the filter uses (Documentation/networking/filter)."""

from __future__ import annotations

from announce.net.filter import Program

HOST, BROADCAST, MULTICAST, OTHER_HOST, OUTGOING = range(5)
"""`skb->pkt_type`, of linux/if_packet.h."""


def run(program: Program, frame: bytes, packet_type: int = HOST, index: int = 1) -> int:
    """How many octets of the frame, received by the interface of that number, pass: 0 is a drop. A load beyond the frame is a drop too."""
    accumulator = position = 0
    while True:
        code, jump_true, jump_false, k = program[position]
        position += 1
        match code:
            case 0x20 | 0x28 if k == 0xFFFFF004:
                accumulator = packet_type
            case 0x20 if k == 0xFFFFF008:
                accumulator = index
            case 0x20 | 0x28 | 0x30:
                octets = {0x20: 4, 0x28: 2, 0x30: 1}[code]
                if k + octets > len(frame):
                    return 0
                accumulator = int.from_bytes(frame[k : k + octets], "big")
            case 0x05:
                position += k
            case 0x15:
                position += jump_true if accumulator == k else jump_false
            case 0x25:
                position += jump_true if accumulator > k else jump_false
            case 0x35:
                position += jump_true if accumulator >= k else jump_false
            case 0x06:
                return k
            case _:
                raise AssertionError(
                    f"the filter has an instruction {code:#x} that this machine does not know"
                )


def check(program: Program) -> None:
    """What the kernel checks before it takes a program (`bpf_check_classic`)."""
    assert 0 < len(program) <= 4096
    assert program[-1].code == 0x06
    for position, (code, jump_true, jump_false, k) in enumerate(program):
        assert 0 <= jump_true <= 255
        assert 0 <= jump_false <= 255
        assert 0 <= k <= 0xFFFFFFFF
        farthest = k if code == 0x05 else max(jump_true, jump_false) if code & 0x07 == 0x05 else 0
        assert position + 1 + farthest < len(program) or code == 0x06
