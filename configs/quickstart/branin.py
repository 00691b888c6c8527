"""A trial as small as can be: two parameters in, one number out."""

import math

import nni

parameters = {"x": 0.0, "y": 0.0}
parameters.update(nni.get_next_parameter())
x, y = parameters["x"], parameters["y"]

valley = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
value = valley**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10

print(f"x = {x:.3f}, y = {y:.3f}: {value:.3f}")
nni.report_final_result(value)
