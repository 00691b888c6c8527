"""The script of most trials."""

#: Says which `nni` it has, and reports the way every NNI script does.
TRIAL = """
    import nni
    params = nni.get_next_parameter()
    print("nni is", nni.__version__, "and x is", params["x"])
    for step in range(3):
        nni.report_intermediate_result(params["x"] * step)
    nni.report_final_result({"default": params["x"], "loss": 1 - params["x"]})
"""
