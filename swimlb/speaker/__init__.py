"""The speaker's decision: which addresses this node announces, to whom, and for what is withheld: why.

`inventory` holds what is known, `planner` is the pure function from it to the plan, `election` names the owner of
an address, `core` performs the difference between the plan and what is held, `presence` is what speakers tell each
other in their gossip meta. No I/O, no clock.
"""
