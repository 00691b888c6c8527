"""The trial that everybody runs: as little as an NNI trial can be. It prints when it began and when it ended."""

import time

BEGAN = time.time()

import nni  # noqa: E402

parameters = nni.get_next_parameter()
nni.report_final_result((parameters["x"] - 1) ** 2 + parameters["y"])
print(BEGAN, time.time())
