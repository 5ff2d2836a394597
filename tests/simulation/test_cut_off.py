"""A member whose cable flaps must not cost the others their lives."""

from __future__ import annotations

from random import Random

import pytest

from membership import MemberFailed, Profile, fast, normal
from tests.simulation.rings import Ring


@pytest.mark.parametrize("profile", [normal(), fast()], ids=["normal", "fast"])
def test_what_a_member_believed_while_it_was_cut_off_is_no_news_to_others(
    seed: int, profile: Profile
) -> None:
    """Alone it declares everybody dead; back again, it does not tell those who have been there all along."""
    ring = Ring(seed, 5, profile=profile)
    rng, cut = Random(seed), "node-3"
    others = [name for name in ring.names if name != cut]
    ring.net.facts.clear()

    for _ in range(20):
        ring.net.partition((cut,), others)
        ring.net.run_for(rng.uniform(0.05, 0.7))
        ring.net.heal()
        ring.net.run_for(rng.uniform(0.05, 1.0))

    killed = [
        (round(fact.time, 3), fact.member, fact.effect.name)
        for fact in ring.net.facts
        if isinstance(fact.effect, MemberFailed) and fact.member != cut and fact.effect.name != cut
    ]
    assert killed == []
    ring.net.run_for(10.0)
    assert ring.all_see(ring.names)
