"""The guard on Windows, where job objects do what Linux needs a nanny for: all in one ends with its last handle.

So whatever the guard has started ends with it, however the guard ends. These modules load on any system.
"""
