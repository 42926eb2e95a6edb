"""Measurements against peers and bars; each module runs as `python -m benchmarks.<topic>`."""
