"""How long a cluster takes to come up and to go, by the number of its machines."""
