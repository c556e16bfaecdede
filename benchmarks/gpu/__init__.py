"""Parts of `benchmarks/gpu_sweep.py`; `plan`, `records`, `state` and `power` need nothing but Python."""
