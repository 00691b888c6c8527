"""Machines that run Windows: which shell they have, and how Python is started by it. Nodes there are workers only.

Everything else travels into that Python as on other machines, on its standard input.
"""
