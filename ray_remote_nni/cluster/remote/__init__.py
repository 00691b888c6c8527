"""Code that is sent to a machine and runs there before anything of ours is installed: standard library only."""
