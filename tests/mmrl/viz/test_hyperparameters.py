"""The configuration stands in the table, in the event file that the curves are in."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import parse_experiment_plugin_data
from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data as session
from torch.utils.tensorboard import SummaryWriter

from mmrl.viz.tensorboard import write_hyperparameters


def test_values_and_metrics(tmp_path):
    values = {"lr": 0.5, "steps": 3, "fusion": "film", "ok": True, "none": None, "list": [1, 2]}
    with SummaryWriter(tmp_path) as writer:
        write_hyperparameters(writer, values, ["rollout/success_rate"])
        writer.add_scalar("rollout/success_rate", 0.25, 7)
    assert len(list(tmp_path.iterdir())) == 1
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    contents = events.PluginTagToContent("hparams")
    start = session(contents["_hparams_/session_start_info"]).hparams
    assert start["lr"].number_value == 0.5
    assert start["steps"].number_value == 3
    assert start["fusion"].string_value == "film"
    assert start["ok"].number_value == 1  # as torch writes truth values
    assert start["none"].string_value == "None"
    assert start["list"].string_value == "[1, 2]"
    experiment = parse_experiment_plugin_data(contents["_hparams_/experiment"])
    assert [info.name.tag for info in experiment.metric_infos] == ["rollout/success_rate"]
    assert [event.value for event in events.Scalars("rollout/success_rate")] == [0.25]
