"""Benchmarks: `python -m benchmarks.NAME [--quick] [--seed S] [--data DIR] [--fresh]`."""
