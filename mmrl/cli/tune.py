"""``mmrl tune``: searches hyperparameters with Optuna, and writes the best configuration."""

from __future__ import annotations

import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from mmrl.api import load_agent
from mmrl.arguments.checks import check
from mmrl.arguments.parser import AsWritten, Parser
from mmrl.arguments.request import parse
from mmrl.cli.common import claim
from mmrl.cli.processes import Trainings, last_line, named_code
from mmrl.env_sets import members_of, short_name
from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.report import known_success
from mmrl.experiment.curves import read_curve
from mmrl.experiment.run import CONFIG, Run
from mmrl.experiment.tuning import (
    VALIDATION,
    Axis,
    FinishedTrial,
    markdown,
    parse_search,
    plot,
    short,
)
from mmrl.files import write_atomically
from mmrl.interrupts import graceful_stop
from mmrl.optional_packages import needed_for
from mmrl.recipes import find_config_file
from mmrl.registry import find_agent
from mmrl.schema import FileError, check_regular, read_text, read_yaml
from mmrl.text_output import shortened
from mmrl.trust import sign
from mmrl.yaml_text import to_yaml

_DESCRIPTION = """\
Search hyperparameters with Optuna: every trial is a training of the configuration with other
values, compared on validation episodes; trials that are worse than half of the others at the same
step are stopped early.

  mmrl tune demo --trials 40 --steps 100000 --out searches/demo
      --over ppo.learning_rate=1e-4..3e-3:log --over ppo.n_epochs=1..8:int
      --over model.fusion=film,concat

Without --over, the search space is the agent's own suggestion. The folder holds the study (SQLite),
the trials' runs, a table, a plot, and best.yaml, ready for 'mmrl train --config'. Call it again
with the same folder to resume or to add trials; several calls at once share the work.
"""
_STUDY: Final = "study.db"
_POLL: Final = 2.0  # seconds between looks at a trial's curve


def run(arguments: list[str]) -> int:
    """Run trials, then write the table, the plot and the best configuration."""
    parser = Parser(prog="mmrl tune", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("config", type=str, help="YAML file of 'mmrl train', or a recipe")
    parser.add_argument("--trials", type=int, required=True, help="how many, earlier ones included")
    parser.add_argument("--out", type=str, required=True, help="folder of the study and its runs")
    parser.add_argument(
        "--over", type=str, action="append",
        help="key=low..high[:log|:int] or key=value,value (repeatable)",
    )  # fmt: skip
    parser.add_argument("--steps", type=int | None, default=None, help="environment steps of each")
    parser.add_argument("--episodes", type=int, default=256, help="for the comparison")
    parser.add_argument("--jobs", type=int, default=1, help="trials side by side")
    parser.add_argument("--seed", type=int, default=0, help="of the search")
    options = parser.parse_args(arguments)
    for name in ("trials", "episodes", "jobs"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} {getattr(options, name)}: must be at least 1")
    options.config = find_config_file(options.config)
    common = [f"--config={options.config}", "--eval-episodes=0"]
    common += [] if options.steps is None else [f"--steps={options.steps}"]
    config = parse([*common, "--out=unused"]).config
    check(config)
    common += named_code(config)
    axes = [parse_search(text) for text in options.over or _suggested(config.agent)]
    for axis in axes:  # a wrong key is found now, not after hours
        for value in axis.samples:
            check(parse([*common, "--out=unused", f"--{axis.key}={value}"]).config)
    folder = Path(options.out)
    study = _study(folder, options)
    search = Search(study, folder, axes, common, options.episodes)
    search.run(options.trials, options.jobs)
    return search.report(f"{short_name(config.env)}, {config.steps:,} steps, by trial")


def _suggested(agent: str) -> list[str]:
    """The search space that an agent suggests."""
    space: list[str] = list(getattr(find_agent(agent), "search", ()))
    if not space:
        raise UserError(
            f"agent {agent!r} suggests no search space: give one by --over key=low..high"
        )
    return space


def _study(folder: Path, options: Any) -> Any:
    """The study in a folder; a new one, if there is none.

    Raises:
        UserError: Optuna is not installed, or the folder holds another search.
    """
    with needed_for("mmrl tune", "tune"):
        import_module("matplotlib")  # for the plot, which comes after hours
        import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # a failure is one line
    settings = {"config": read_text(Path(options.config)), "steps": options.steps}
    claim(folder, "search.yaml", settings, "a search")
    file = folder / _STUDY
    if file.exists():
        check_regular(file)
    try:
        study = _opened(optuna, file)
        # every process that joins or resumes samples with a seed of its own
        study.sampler = optuna.samplers.TPESampler(seed=options.seed + len(study.trials))
        if not all(isinstance(one.number, int) for one in study.trials):
            raise TypeError("a trial has no number")
    except Exception as error:  # of any kind: of SQLite, SQLAlchemy, or Optuna
        why = shortened(f"{type(error).__name__}: {error}")
        raise FileError(f"{file}: is damaged, or no study: {why}. Give another --out") from error
    return study


def _opened(optuna: Any, file: Path) -> Any:
    """The study in a file, which is made where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{file}",
            heartbeat_interval=30,  # a trial whose process has died does not count as running
            grace_period=120,
            engine_kwargs={"connect_args": {"timeout": 60}},
        )
    return optuna.create_study(
        study_name="mmrl",
        storage=storage,
        load_if_exists=True,
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )


class Search:
    """Trials of a study, each a training in a process of its own.

    Args:
        study: Optuna's.
        folder: where the runs go.
        axes: what is searched.
        common: the options of every training.
        episodes: for the comparison.
    """

    def __init__(
        self, study: Any, folder: Path, axes: list[Axis], common: list[str], episodes: int
    ) -> None:
        self._study, self._folder, self._axes = study, folder, axes
        self._common, self._episodes = common, episodes
        self._console = Console(stderr=True)

    def run(self, trials: int, jobs: int) -> None:
        """Run trials until so many have ended well or been stopped early."""
        from optuna.study import MaxTrialsCallback
        from optuna.trial import TrialState

        ended = (TrialState.COMPLETE, TrialState.PRUNED)
        missing = trials - len(self._study.get_trials(states=ended))
        if missing < 1:
            return
        self._trainings = Trainings(jobs)
        with graceful_stop("the trials that are running", self._trainings.stop) as stop:
            try:
                self._study.optimize(
                    self._objective,
                    n_trials=missing,
                    n_jobs=jobs,
                    callbacks=[MaxTrialsCallback(trials, states=ended), self._log],
                    show_progress_bar=self._console.is_terminal and jobs == 1,
                )
            except UserError:
                stop.raise_if_asked()
                raise

    def _log(self, study: Any, trial: Any) -> None:
        value = "stopped early" if trial.value is None else f"success {trial.value:.1%}"
        values = ", ".join(f"{key}={short(value)}" for key, value in trial.params.items())
        self._console.print(f"trial {trial.number}: {value} ({values})", highlight=False)

    def _objective(self, trial: Any) -> float:
        values = [f"--{axis.key}={axis.suggest(trial)}" for axis in self._axes]
        out = self._folder / f"trial-{trial.number:04d}"
        self._train(trial, out, values)
        run = Run.open(out)
        agent = load_agent(run)
        rates = []
        for one in members_of(run.config["env"]):
            played = play_episodes(
                agent,
                one.env,
                self._episodes,
                env_args=one.args(run.config["env_args"]),
                first_seed=VALIDATION,
                env_workers=run.config.get("env_workers", 0),
            )
            rates.append(known_success(played.summary(), one.env))
        return sum(rates) / len(rates)

    def _train(self, trial: Any, out: Path, values: list[str]) -> None:
        """Train, and watch the curve.

        Raises:
            optuna.TrialPruned: it is worse than half of the others at the same step.
            UserError: the training failed; with the last line of its log.
        """
        import optuna

        log = out.with_suffix(".log")
        process = self._trainings.start([*self._common, *values, f"--out={out}"], log)
        reported = 0
        try:
            while process.poll() is None:
                time.sleep(_POLL)
                for step, value in read_curve(out):
                    if step > reported:
                        reported = step
                        trial.report(value, step)
                if trial.should_prune():
                    raise optuna.TrialPruned
        finally:
            self._trainings.end(process)
        if process.returncode:
            raise UserError(f"trial {trial.number} failed: {last_line(log)} (all of it: {log})")

    def report(self, title: str) -> int:
        """Write the table, the plot and the best configuration; print where."""
        trials = [
            FinishedTrial(one.number, one.params, success, one.value is None)
            for one in self._study.get_trials()
            if one.state.is_finished()
            and (success := one.value if one.value is not None else _last(one)) is not None
        ]
        whole = [one for one in trials if not one.stopped]
        if not whole:
            raise UserError(f"no trial in {self._folder} has ended: give more --trials")
        best = max(whole, key=lambda one: one.success)
        file = self._folder / f"trial-{best.number:04d}" / CONFIG
        config = read_yaml(file, dict[str, Any])
        for key in ("out", "eval_episodes"):
            config.pop(key, None)
        write_atomically(
            self._folder / "best.yaml",
            f"# trial {best.number}: {best.success:.1%} of {self._episodes} validation episodes\n"
            + to_yaml(config),
        )
        sign(config, self._folder)
        table = markdown(trials, title)
        write_atomically(self._folder / "tune.md", table)
        plot(trials, self._axes, self._folder / "tune.png", title)
        print(table)
        print(f"written to {self._folder}/tune.md, tune.png and best.yaml; train with it:")
        print(f"  mmrl train --config {self._folder}/best.yaml --out runs/best")
        return 0


def _last(trial: Any) -> float | None:
    """The last value that a trial reported before it was stopped."""
    values = trial.intermediate_values
    return float(values[max(values)]) if values else None
