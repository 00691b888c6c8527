"""From a machine list to a running Ray cluster, over SSH, and back to nothing. Knows nothing of trials."""
