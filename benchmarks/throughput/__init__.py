"""How fast many short trials go through `ray-nni`, beside bare processes and Ray Tune."""
