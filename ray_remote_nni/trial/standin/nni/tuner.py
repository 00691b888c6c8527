"""The base class of tuners: what NNI calls, and what happens where a tuner does not say."""

import nni


class Tuner:
    """Suggests parameters, and is told what came of them. Trials are known to it by `parameter_id`, a number."""

    def generate_parameters(self, parameter_id, **kwargs):
        """Return the parameters of a trial; nni.NoMoreTrialError when there are no more."""
        raise NotImplementedError("Tuner: generate_parameters not implemented")

    def generate_multiple_parameters(self, parameter_id_list, **kwargs):
        """Return the parameters of several trials, fewer when there are no more."""
        result = []
        for parameter_id in parameter_id_list:
            try:
                result.append(self.generate_parameters(parameter_id, **kwargs))
            except nni.NoMoreTrialError:
                break
        return result

    def receive_trial_result(self, parameter_id, parameters, value, **kwargs):
        """Learn a trial's final result, as the trial reported it."""
        raise NotImplementedError("Tuner: receive_trial_result not implemented")

    def receive_customized_trial_result(self, parameter_id, parameters, value, **kwargs):
        """Learn the result of a trial whose parameters the user chose (NNI 1.x)."""

    def _accept_customized_trials(self, accept=True):
        self._accept_customized = accept

    def trial_end(self, parameter_id, success, **kwargs):
        """Learn that a trial has ended, and whether it succeeded."""

    def update_search_space(self, search_space):
        """Take the search space, before anything else and whenever it changes."""
        raise NotImplementedError("Tuner: update_search_space not implemented")

    def load_checkpoint(self):
        """Called when an experiment is resumed."""

    def save_checkpoint(self):
        """Not called."""

    def import_data(self, data):
        """Learn earlier results: a list of {"parameter", "value"}."""

    def _on_exit(self):
        pass

    def _on_error(self):
        pass
