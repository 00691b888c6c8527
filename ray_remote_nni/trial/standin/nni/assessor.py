"""The base class of assessors."""

from enum import Enum


class AssessResult(Enum):
    """What an assessor thinks of a trial."""

    Good = True
    Bad = False


class Assessor:
    """Says of running trials whether to go on with them."""

    def assess_trial(self, trial_job_id, trial_history):
        """Return an AssessResult, or a bool, for a trial that has reported `trial_history` so far."""
        raise NotImplementedError("Assessor: assess_trial not implemented")

    def trial_end(self, trial_job_id, success):
        """Learn that a trial has ended, and whether it succeeded."""

    def load_checkpoint(self):
        """Not called."""

    def save_checkpoint(self):
        """Not called."""

    def _on_exit(self):
        pass

    def _on_error(self):
        pass
