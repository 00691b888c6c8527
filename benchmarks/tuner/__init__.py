"""How good our tuner's suggestions are, and how long they take, beside those of other tuners."""
