"""A trial in the way of NNI 1.x."""

import math

"""@nni.get_next_parameter()"""


class Model:
    def __init__(self, units, rate):
        """@nni.variable(nni.choice(16, 32, 2 * 32), name=self.units)"""
        self.units = units
        """@nni.variable(nni.loguniform(0.0001, 0.1), name=self.rate)"""
        self.rate = rate

    def forward(self, x):
        """@nni.function_choice(math.floor(x), math.ceil(x), name=math.floor)"""
        return math.floor(x)


def main():
    """@nni.variable(nni.uniform(0, 1), name=wrong)"""
    model = Model(16, 0.1)
    """@nni.report_final_result(model.forward(1))"""
    return model
