"""Benchmarks: the figures of the design, each beside its baseline in the same run."""
