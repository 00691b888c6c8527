"""Runs somebody's tuner, assessor or advisor: python3 worker.py QUESTIONS ANSWERS.

These are two named pipes that carry lines of JSON. Runs on Python 3.6 and later, with the real `nni` or the stand-in.
What the class prints goes where stdout goes.
"""

import fcntl
import importlib
import inspect
import json
import os
import sys
import traceback
from collections import deque

import ray_nni_advisor

#: So much of an exception's message is told; all of it is in the log.
LONGEST = 600


def main():
    """Answer until the questions end."""
    # What is imported from here on is the user's or installed; this file's neighbours are neither.
    del sys.path[0]
    ray_nni_advisor.prepare()
    algorithm = None
    with _opened(sys.argv[1], "r") as questions, _opened(sys.argv[2], "w") as answers:
        for line in iter(questions.readline, ""):
            question = json.loads(line)
            try:
                if question["do"] == "create":
                    algorithm = _create(**question["with"])
                    result = {"advises": isinstance(algorithm, ray_nni_advisor.AdvisorHost)}
                else:
                    result = getattr(algorithm, question["do"])(**question["with"])
                answer = json.dumps({"result": result}, default=_plain)
            except Exception as error:
                traceback.print_exc()
                code = algorithm.code if algorithm is not None else question["with"]["code"]
                answer = json.dumps({"error": _described(error, code)})
            sys.stdout.flush()
            answers.write(answer + "\n")
            answers.flush()


def _opened(pipe, mode):
    """Open a pipe, out of the way of NNI up to 2.7, which takes the file descriptors 3 and 4 for its own."""
    low = os.open(pipe, os.O_RDONLY if mode == "r" else os.O_WRONLY)
    high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 64)
    os.close(low)
    return open(high, mode, encoding="utf-8")


class _TunerHost:
    """NNI's calls to a tuner, in NNI's order.

    As in NNI each request has an id of its own, and a request that the tuner has not met it may meet later, by the
    callback. Parameters are kept, for a tuner is given back what it has made.
    """

    def __init__(self, code, tuner, search_space, resumed):
        self.code = code
        self._tuner = tuner
        self._next = 0
        self._sent = deque()
        self._trials = {}
        _drop_unknown_keywords(tuner, "generate_parameters")
        _drop_unknown_keywords(tuner, "receive_trial_result")
        if resumed:
            tuner.load_checkpoint()
        tuner.update_search_space(search_space)

    def generate(self, ids):
        if len(self._sent) < len(ids):
            # Above its own where trials were set by hand, below where requests were not met.
            first = max(self._next, ids[0])
            self._request(list(range(first, first + len(ids) - len(self._sent))))
        made = []
        for id in ids:
            if self._sent:
                self._trials[id] = self._sent.popleft()
                made.append(self._trials[id][1])
        return made

    def _request(self, ids):
        import nni

        self._next = ids[-1] + 1
        met = len(self._sent)
        try:
            made = self._tuner.generate_multiple_parameters(ids, st_callback=self._send)
        except nni.NoMoreTrialError:
            return
        sent = {id for id, _ in list(self._sent)[met:]}
        self._sent.extend(zip([id for id in ids if id not in sent], made))  # noqa: B905

    def _send(self, id, parameters):
        self._sent.append((id, parameters))

    def report(self, id, kind, sequence, value, trial_id):
        if kind == "FINAL":
            mine, parameters = self._trials[id]
            self._tuner.receive_trial_result(mine, parameters, value, customized=False, trial_job_id=trial_id)

    def end(self, id, status, trial_id):
        mine, _ = self._trials.pop(id, (id, None))
        self._tuner.trial_end(mine, status == "SUCCEEDED")

    def learn(self, data):
        self._tuner.import_data(data)

    def update(self, search_space):
        self._tuner.update_search_space(search_space)

    def news(self):
        """Return no ids of trials to be ended, and whether it has sent trials that nobody has taken."""
        return {"kills": [], "at_hand": bool(self._sent)}

    def leave(self):
        getattr(self._tuner, "_on_exit", lambda: None)()


class _AssessorHost:
    """NNI's calls to an assessor."""

    def __init__(self, code, assessor):
        self.code = code
        self._assessor = assessor
        self._assess = assessor.assess_trial
        if not _takes(self._assess, "", []) and _takes(self._assess, []):
            # As NNI's documentation has it.
            self._assess = lambda trial_id, history: assessor.assess_trial(history)

    def assess(self, trial_id, history):
        verdict = self._assess(trial_id, history)
        if isinstance(verdict, bool):
            return verdict
        value = getattr(verdict, "value", None)
        if not isinstance(value, bool):
            raise TypeError("assess_trial returned {!r}; it must be an AssessResult or a bool".format(verdict))
        return value

    def end(self, trial_id, success):
        self._assessor.trial_end(trial_id, success)

    def leave(self):
        getattr(self._assessor, "_on_exit", lambda: None)()


def _takes(method, *given):
    try:
        inspect.signature(method).bind(*given)
    except TypeError:
        return False
    except ValueError:
        # It is compiled, and does not tell what it takes: it is taken to be as NNI has it.
        pass
    return True


def _drop_unknown_keywords(owner, name):
    """Have the method `name` called without the keywords that it does not know: before 1.0, NNI gave it none."""
    method = getattr(owner, name, None)
    if method is None:
        return
    try:
        parameters = inspect.signature(method).parameters
    except ValueError:
        # It is compiled, and does not tell.
        return
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        known = lambda named: {key: value for key, value in named.items() if key in parameters}  # noqa: E731
        setattr(owner, name, lambda *given, **named: method(*given, **known(named)))


def _create(kind, code, class_name, class_args, search_space, resumed):
    import logging

    logging.basicConfig(level=logging.INFO, format="[%(asctime)s] %(levelname)s (%(name)s) %(message)s")
    sys.path.append(code)
    module, _, name = class_name.rpartition(".")
    algorithm = getattr(importlib.import_module(module), name)
    base = ray_nni_advisor.base_of(algorithm) if kind == "tuner" else None
    if base is not None:
        return ray_nni_advisor.AdvisorHost(code, base, lambda: algorithm(**class_args), search_space, resumed)
    instance = algorithm(**class_args)
    if kind == "assessor":
        return _AssessorHost(code, instance)
    return _TunerHost(code, instance, search_space, resumed)


def _described(error, code):
    """What went wrong, at which line of the user's, and whether another Python might do better."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_below(frame.filename, code)]
    where = None
    if isinstance(error, SyntaxError) and error.filename:
        where = "{}, line {}".format(os.path.relpath(error.filename, code), error.lineno)
    elif frames:
        last = frames[-1]
        where = "{}, line {}, in {}".format(os.path.relpath(last.filename, code), last.lineno, last.name)
    lines = traceback.format_exception_only(type(error), error)
    # A syntax error begins with the line that has it; of others a message may have several.
    what = " ".join((lines[-1] if isinstance(error, SyntaxError) else "".join(lines)).split())
    if len(what) > LONGEST:
        # In the middle of a word, too: a list without blanks is one.
        what = what[:LONGEST] + " …"
    return {"what": what.rstrip("."), "where": where, "unfit": isinstance(error, (ImportError, SyntaxError))}


def _is_below(file, folder):
    return os.path.abspath(file).startswith(os.path.abspath(folder) + os.sep)


def _plain(value):
    """Turn the scalars and arrays of numpy and its like into numbers and lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError("{!r} is neither JSON nor a number of numpy's".format(value))


if __name__ == "__main__":
    main()
