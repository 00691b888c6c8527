"""The experiment: the job on the head that joins tuner, trials and records, and the client's dealings with it."""
