"""The base class of advisors, which are tuner and assessor in one: they are told all, and send what they want."""

import os

import nni

from .tuner_command_channel import CommandType, TunerCommandChannel


class MsgDispatcherBase:
    """Handles the commands of NNI's manager, and sends commands to it; each is a CommandType and a text of JSON."""

    def __init__(self, command_channel_url=None):
        self.stopping = False
        self.worker_exceptions = []
        self.recovered_max_param_id = -1
        self.recovered_trial_params = {}
        self._channel = TunerCommandChannel(command_channel_url)

    def send(self, command, data):
        """Send a command, such as CommandType.NewTrialJob with nni.dump({"parameter_id": 0, "parameters": {}})."""
        self._channel._send(command, data)

    def report_error(self, error):
        """End the experiment with an error."""
        self.send(CommandType.Error, error)

    def process_command(self, command, data):
        """Call the handler of a command."""
        handlers = {
            CommandType.Initialize: self.handle_initialize,
            CommandType.RequestTrialJobs: self.handle_request_trial_jobs,
            CommandType.UpdateSearchSpace: self.handle_update_search_space,
            CommandType.ImportData: self.handle_import_data,
            CommandType.AddCustomizedTrialJob: self.handle_add_customized_trial,
            CommandType.ReportMetricData: self.handle_report_metric_data,
            CommandType.TrialEnd: self.handle_trial_end,
            CommandType.Ping: self.handle_ping,
        }
        if command not in handlers:
            raise AssertionError("Unsupported command: {}".format(command))
        handlers[command](data)

    def handle_initialize(self, data):
        """Take the search space, and send CommandType.Initialized with an empty text."""
        raise NotImplementedError("handle_initialize not implemented")

    def handle_request_trial_jobs(self, data):
        """Send `data` trials, at once or later."""
        raise NotImplementedError("handle_request_trial_jobs not implemented")

    def handle_update_search_space(self, data):
        """Take another search space."""
        raise NotImplementedError("handle_update_search_space not implemented")

    def handle_import_data(self, data):
        """Learn earlier results: a list of {"parameter", "value"}; the value is JSON, in a string."""
        raise NotImplementedError("handle_import_data not implemented")

    def handle_add_customized_trial(self, data):
        """Not called."""
        raise NotImplementedError("handle_add_customized_trial not implemented")

    def handle_report_metric_data(self, data):
        """Learn a metric: {"parameter_id", "trial_job_id", "type", "sequence", "value"}; see nni.utils.MetricType.

        The value is JSON, in a string, for nni.load.
        """
        raise NotImplementedError("handle_report_metric_data not implemented")

    def handle_trial_end(self, data):
        """Learn a trial's end: {"trial_job_id", "event", "hyper_params"}, its state and the text that was sent."""
        raise NotImplementedError("handle_trial_end not implemented")

    def handle_ping(self, data):
        """Not called."""

    def load_checkpoint(self):
        """Called when an experiment is resumed."""

    def save_checkpoint(self):
        """Not called."""

    def get_checkpoint_path(self):
        """Return a folder for checkpoints, None where there is none."""
        path = os.environ.get("NNI_CHECKPOINT_DIRECTORY")
        return path if path is not None and os.path.isdir(path) else None

    def recover_parameter_id(self, data):
        """Keep the trials of an earlier run, a list of what was sent for them; return the largest parameter_id."""
        for trial in data if isinstance(data, list) else [data]:
            trial = nni.load(trial) if isinstance(trial, str) else trial
            if isinstance(trial["parameter_id"], int):
                self.recovered_trial_params[trial["parameter_id"]] = trial["parameters"]
        self.recovered_max_param_id = max(self.recovered_trial_params, default=0)
        return self.recovered_max_param_id

    def is_created_in_previous_exp(self, param_id):
        """Whether a trial is one of those."""
        return param_id in self.recovered_trial_params

    def get_previous_param(self, param_id):
        """Return the parameters of one of those."""
        return self.recovered_trial_params[param_id]
