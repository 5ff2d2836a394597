"""What the verdicts on deaf members change: who is passed over, and what this node does when it is accused itself.

`deafness` has the rules, `hearing` the questions. Joined here is what follows from the presences, whenever one is new.
"""

from __future__ import annotations

from swimlb.speaker.deafness import accusers, address_to_ask, deaf_members
from swimlb.speaker.effects import AnswerAskers, DeafnessChanged, Effect, EndAnswer
from swimlb.speaker.inventory import Inventory


class Verdicts:
    """Keeps `Inventory.deaf` equal to what the presences say, and tells of every change."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._since: dict[str, float] = {}
        self._is_answering = False
        self._has_ended = False

    def review(self, now: float) -> list[Effect]:
        """To be called before the plan is made."""
        return [*self._pass_over(now), *([] if self._has_ended else self._answer())]

    def end(self) -> list[Effect]:
        """This node stops: nobody has to find out about it any more."""
        self._has_ended = True
        return self._set_answering(False)

    def _pass_over(self, now: float) -> list[Effect]:
        before, after = self._inventory.deaf, deaf_members(self._inventory.presences)
        if before.keys() == after.keys():
            return []
        self._inventory.deaf = after
        effects: list[Effect] = []
        for name in sorted(before.keys() ^ after.keys()):
            if name in after:
                self._since[name] = now
                effects.append(DeafnessChanged(name, after[name]))
            else:
                lasted = now - self._since.pop(name)
                # Of a member that is gone nobody knows; that it is, is told elsewhere.
                effects += [DeafnessChanged(name, (), lasted)] if name in self._inventory.presences else []
        return effects

    def _answer(self) -> list[Effect]:
        this_node = self._inventory.this_node
        presences = self._inventory.presences
        is_accused = any(one.unanswering for one in presences.values()) and bool(
            accusers(this_node, presences)
        )
        return self._set_answering(is_accused)

    def _set_answering(self, is_answering: bool) -> list[Effect]:
        if is_answering == self._is_answering:
            return []
        self._is_answering = is_answering
        addresses = [address_to_ask(self._inventory.this_node, version) for version in (4, 6)]
        return [*map(AnswerAskers if is_answering else EndAnswer, addresses)]
