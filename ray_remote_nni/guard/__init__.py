"""The guard: one per machine, it starts processes for others and sees to it that they end.

A process tree's owner holds a connection to the guard's socket. When the connection closes, for whatever reason, the
tree is ended: so a trial ends with the Ray worker that asked for it, also when that worker was killed with -9.
The guard runs with nothing but the standard library, in the machine's Python.
"""
