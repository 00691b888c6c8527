"""Tuners and assessors of people's own: each runs in a process of its own, in a Python that has what it imports."""
