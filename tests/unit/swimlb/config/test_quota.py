from __future__ import annotations

import pytest

from swimlb.config import Resolved, resolve
from swimlb.sources import read_text

POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {{name: pool, namespace: metallb-system, annotations: {{swimlb.io/quota-per-namespace: {value}}}}}
spec: {{addresses: [192.0.2.0/24]}}
"""


def read(value: str) -> Resolved:
    return resolve(read_text(POOL.format(value=value), "pool.yaml").documents)


def test_a_pool_may_have_a_quota_for_each_namespace() -> None:
    (pool,) = read("'20'").configuration.pools

    assert pool.quota_per_namespace == 20


@pytest.mark.parametrize("value", ["many", "'0'", "'-1'", "''", "'1.5'", "'٣'"])
def test_a_quota_that_is_no_number_is_refused(value: str) -> None:
    resolved = read(value)

    (problem,) = resolved.problems
    assert problem.field == "metadata.annotations.swimlb.io/quota-per-namespace"
    assert "is not a number of addresses" in problem.message
    assert resolved.configuration.pools == ()
