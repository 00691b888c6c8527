"""`python -m ray_remote_nni`: the same as `ray-nni`."""

from ray_remote_nni.cli import main

main()
