"""The kernel settings that keep the kernel from answering for us."""

from __future__ import annotations

from pathlib import Path

import pytest

from announce.net.sysctls import check_sysctls


def settings(root: Path, **values: dict[str, int]) -> Path:
    for interface, entries in values.items():
        (root / interface).mkdir()
        for setting, value in entries.items():
            (root / interface / setting).write_text(f"{value}\n")
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

    assert [(finding.setting, finding.value, finding.wanted) for finding in findings] == [
        ("arp_announce", 1, 2)
    ]
