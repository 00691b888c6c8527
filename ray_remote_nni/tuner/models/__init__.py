"""Tuners that fit a model of scikit-learn to the results: GP, Metis and SMAC."""
