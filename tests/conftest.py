"""Settings of all tests: a cache of their own; Hypothesis draws the same examples on every run, without a deadline."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile

from hypothesis import settings

os.environ["ROOFWISE_CACHE"] = tempfile.mkdtemp(prefix="roofwise-cache-")
"""Tests leave the user's cache alone; each process has its own, which goes with it."""
atexit.register(shutil.rmtree, os.environ["ROOFWISE_CACHE"], ignore_errors=True)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what runs in its background
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("ci")
