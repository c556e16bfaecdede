"""Settings of all tests: Hypothesis draws the same examples on every run, without a deadline."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("ci")
