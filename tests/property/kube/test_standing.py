"""What is told of troubles with kinds, as one sees it who knows nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swimlb.kube.following import Trouble
from swimlb.kube.reflector import Condition
from swimlb.kube.resources import NODES, SECRETS, SERVICES, Resource
from swimlb.kube.standing import Standing

CONDITIONS = st.builds(
    Condition,
    st.sampled_from([NODES, SECRETS, SERVICES]),
    st.sampled_from([None, Trouble.UNREACHABLE, Trouble.BUSY, Trouble.FORBIDDEN, Trouble.KIND_MISSING]),
)


def is_lasting(condition: Condition) -> bool:
    return condition.trouble is not None and condition.trouble.is_lasting


@given(st.lists(CONDITIONS, max_size=12))
def test_a_reader_knows_every_lasting_trouble_and_one_of_the_connection_while_it_lasts(
    conditions: list[Condition],
) -> None:
    standing, read = Standing(), dict[Resource, Condition]()

    for now, condition in enumerate(conditions):
        for told in standing.note(condition, float(now)):
            if told.trouble is None:
                read.pop(told.resource, None)
            else:
                read[told.resource] = told

        lasting = {kind: one for kind, one in standing.troubles.items() if is_lasting(one)}
        passing = [one for one in read.values() if not is_lasting(one)]
        assert {kind: one for kind, one in read.items() if is_lasting(one)} == lasting
        assert len(passing) == (standing.unreachable_since is not None)
