"""Draws from the types of a search space; `random_state` is a numpy.random.RandomState."""

import math


def choice(options, random_state):
    """Return one of `options`."""
    return options[random_state.randint(len(options))]


def randint(lower, upper, random_state):
    """Return an integer from `lower` on, less than `upper`."""
    return random_state.randint(lower, upper)


def uniform(low, high, random_state):
    """Return a number between `low` and `high`."""
    return random_state.uniform(low, high)


def quniform(low, high, q, random_state):
    """Return a multiple of `q`, or a bound."""
    return _stepped(uniform(low, high, random_state), q, low, high)


def loguniform(low, high, random_state):
    """Return a number between `low` and `high`, more than 0, whose logarithm is uniform."""
    return math.exp(random_state.uniform(math.log(low), math.log(high)))


def qloguniform(low, high, q, random_state):
    """Return a multiple of `q`, or a bound; before it was rounded, its logarithm was uniform."""
    return _stepped(loguniform(low, high, random_state), q, low, high)


def normal(mu, sigma, random_state):
    """Return a number of a normal distribution."""
    return random_state.normal(mu, sigma)


def qnormal(mu, sigma, q, random_state):
    """Return a multiple of `q` near a number of a normal distribution."""
    return round(normal(mu, sigma, random_state) / q) * q


def lognormal(mu, sigma, random_state):
    """Return a number whose logarithm has a normal distribution, of `mu` and `sigma`."""
    return math.exp(normal(mu, sigma, random_state))


def qlognormal(mu, sigma, q, random_state):
    """Return a multiple of `q` near such a number."""
    return round(lognormal(mu, sigma, random_state) / q) * q


def _stepped(value, q, low, high):
    return min(max(round(value / q) * q, low), high)
