"""What advisors import of `nni.runtime`."""
