"""Simulations to run: rings with faults drawn from a seed, rings of thousands, and curves for the docs."""
