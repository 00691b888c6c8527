"""One attempt of one trial on one machine: its folder, its environment, its process, its metrics. Knows no tuner."""
