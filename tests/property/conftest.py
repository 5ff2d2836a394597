"""Hypothesis for all property tests: no deadline per example, because a busy machine is not a defect."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("swimlb", deadline=None, max_examples=60)
settings.register_profile("thorough", deadline=None, max_examples=5000)
settings.load_profile("swimlb")
