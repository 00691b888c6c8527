"""Tuners, assessors and advisors of people's own, each in a process of its own, in a Python with all it imports."""
