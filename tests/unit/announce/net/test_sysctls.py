"""The kernel settings that keep the kernel from answering for us, and those that make it carry traffic on."""

from __future__ import annotations

from pathlib import Path

import pytest

from announce.net.sysctls import check_forwarding, check_sysctls


def settings(root: Path, version: int = 4, **values: dict[str, int]) -> Path:
    for interface, entries in values.items():
        where = root / f"ipv{version}" / "conf" / interface
        where.mkdir(parents=True)
        for setting, value in entries.items():
            (where / setting).write_text(f"{value}\n")
    return root


def test_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    """The defaults of Linux: both findings name the setting, the interface, the harm and the way out."""
    unset = {"arp_ignore": 0, "arp_announce": 0}

    findings = check_sysctls("eth0", settings(tmp_path, all=unset, eth0=unset))

    assert [str(finding).partition(":")[0] for finding in findings] == [
        "arp_ignore is 0 on eth0",
        "arp_announce is 0 on eth0",
    ]
    assert str(findings[0]).endswith("set net.ipv4.conf.all.arp_ignore=1")
    assert str(findings[1]).endswith("set net.ipv4.conf.all.arp_announce=2")


@pytest.mark.parametrize(
    ("for_all", "own"),
    [((1, 2), (0, 0)), ((0, 0), (1, 2)), ((0, 2), (2, 0)), ((8, 2), (0, 0))],
)
def test_the_larger_value_counts(for_all: tuple[int, int], own: tuple[int, int], tmp_path: Path) -> None:
    """Of the interface's own setting and the one for all."""
    where = settings(
        tmp_path,
        all=dict(zip(("arp_ignore", "arp_announce"), for_all, strict=True)),
        eth0=dict(zip(("arp_ignore", "arp_announce"), own, strict=True)),
    )

    assert check_sysctls("eth0", where) == []


def test_an_interface_without_settings_is_judged_by_those_for_all(tmp_path: Path) -> None:
    """It may be gone already."""
    where = settings(tmp_path, all={"arp_ignore": 1, "arp_announce": 1})

    findings = check_sysctls("eth0", where)

    assert [(finding.setting, finding.value, finding.remedy) for finding in findings] == [
        ("arp_announce", 1, "net.ipv4.conf.all.arp_announce=2")
    ]


def test_says_what_keeps_traffic_from_being_carried_on(tmp_path: Path) -> None:
    """The defaults of Linux: it does not forward, and would send redirects."""
    unset = {"forwarding": 0, "send_redirects": 1}

    ipv4 = check_forwarding("eth0.7", 4, settings(tmp_path, 4, **{"all": unset, "eth0.7": unset}))
    ipv6 = check_forwarding("eth0.7", 6, settings(tmp_path, 6, all={"forwarding": 0}))

    assert [str(finding).partition(":")[0] for finding in (*ipv4, *ipv6)] == [
        "ipv4.forwarding is 0 on eth0.7",
        "send_redirects is 1 on eth0.7",
        "ipv6.forwarding is 0 on eth0.7",
    ]
    assert [str(finding).rpartition("; set ")[2] for finding in (*ipv4, *ipv6)] == [
        "net.ipv4.ip_forward=1",
        "net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0/7.send_redirects=0",
        "net.ipv6.conf.all.forwarding=1",
    ]


@pytest.mark.parametrize(
    ("for_all", "own", "found"),
    [
        ((1, 0), (1, 0), []),
        ((0, 0), (1, 0), []),
        ((1, 0), (0, 0), ["ipv4.forwarding"]),
        ((1, 1), (1, 0), ["send_redirects"]),
        ((1, 0), (1, 1), ["send_redirects"]),
    ],
)
def test_ipv4_is_forwarded_by_the_interface_s_own_switch(
    for_all: tuple[int, int], own: tuple[int, int], found: list[str], tmp_path: Path
) -> None:
    """While redirects are sent if either switch says so."""
    names = ("forwarding", "send_redirects")
    where = settings(
        tmp_path, all=dict(zip(names, for_all, strict=True)), eth0=dict(zip(names, own, strict=True))
    )

    assert [finding.setting for finding in check_forwarding("eth0", 4, where)] == found


@pytest.mark.parametrize(
    ("for_all", "own", "is_fine"),
    [
        ({"forwarding": 1}, {"forwarding": 0}, True),
        ({"forwarding": 0}, {"forwarding": 1}, False),
        ({"forwarding": 0}, {"forwarding": 0, "force_forwarding": 1}, True),
        ({"forwarding": 0}, {"forwarding": 0, "force_forwarding": 0}, False),
    ],
)
def test_ipv6_is_forwarded_by_the_switch_for_all(
    for_all: dict[str, int], own: dict[str, int], is_fine: bool, tmp_path: Path
) -> None:
    """The interface's own `forwarding` makes it a router's to the neighbors, and forwards nothing."""
    where = settings(tmp_path, 6, all=for_all, eth0=own)

    assert (check_forwarding("eth0", 6, where) == []) is is_fine
