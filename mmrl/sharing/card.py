"""Model cards of exported runs, in the hub's format: YAML front matter, then Markdown.

https://huggingface.co/docs/hub/model-cards has the format; results are in ``model-index``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from gymnasium import spaces

from mmrl.contract import IMAGE, INSTRUCTION, SPEECH
from mmrl.env_sets import members_of, short_name
from mmrl.evaluation.report import markdown, versions
from mmrl.experiment.checkpoint import Checkpoint
from mmrl.experiment.run import Run
from mmrl.text_output import printable
from mmrl.wrappers.nested_spaces import describe
from mmrl.yaml_text import to_yaml

CARD: Final = "README.md"
PREVIEW: Final = "preview.gif"
LIBRARY: Final = "mmrl"
_TASK: Final = "reinforcement-learning"
_MEASURES: Final = (("success_rate", "success rate", 1), ("mean_return", "mean return", 2))
"""Key of a result, its name, and digits."""
_TYPES: Final = {"success_rate": "success_rate", "mean_return": "mean_reward"}
"""What the hub calls them."""
_NO_MEASURES: Final = ("steps", "wall_seconds")
_ENCODER: Final = re.compile(r"(?:^|\.)encoders\.(\w+)\.")
_RUN_NO_CODE: Final = (
    "Weights are safetensors and everything else is YAML, JSON and plain arrays: opening the "
    "folder runs no code of it."
)


def model_card(
    run: Run,
    checkpoint: Checkpoint,
    result: dict[str, Any] | None,
    *,
    name: str,
    licence: str | None = None,
    has_preview: bool = False,
    is_rounded: bool = False,
) -> str:
    """The model card of an exported run.

    Args:
        run: it.
        checkpoint: that it holds.
        result: of its evaluation; None where there is none.
        name: its title.
        licence: by its name on the hub.
        has_preview: whether there is a GIF beside the card.
        is_rounded: whether the result was measured before the weights were rounded.
    """
    is_agent = "env" in run.config
    body = (
        _agent_sections(run, checkpoint, result, has_preview, is_rounded)
        if is_agent
        else _task_sections(run, checkpoint, result)
    )
    front = {
        "library_name": LIBRARY,
        **({"license": licence} if licence else {}),
        **({"pipeline_tag": _TASK} if is_agent else {}),
        "tags": _tags(run),
        **({"model-index": _model_index(name, result)} if is_agent and result else {}),
    }
    return card(front, name, body)


def card(front: dict[str, Any], title: str, sections: Iterable[str]) -> str:
    """A card: its front matter, title and sections; empty sections are left out."""
    parts = [f"---\n{to_yaml(front)}---", f"# {printable(title)}", *sections]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown; its cells are shown as they are."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: Any) -> str:
    return printable(str(value)).replace("|", "\\|")


def _tags(run: Run) -> list[str]:
    if "env" not in run.config:
        return [LIBRARY, "multimodal", str(run.config["task"])]
    return [
        _TASK, "multimodal", "gymnasium", LIBRARY, str(run.config.get("agent", "ppo")),
        *(one.env for one in members_of(str(run.config["env"]))),
    ]  # fmt: skip


def _model_index(name: str, result: dict[str, Any]) -> list[dict[str, Any]]:
    """The results as the hub shows them beside a model."""
    env = short_name(str(result["env"]))
    return [
        {
            "name": name,
            "results": [
                {
                    "task": {"type": _TASK, "name": _TASK},
                    "dataset": {"type": env, "name": env},
                    "metrics": _metrics(result),
                }
            ],
        }
    ]


def _metrics(result: dict[str, Any]) -> list[dict[str, Any]]:
    metrics = []
    for key, name, digits in _MEASURES:
        interval = result.get(f"{key}_95")
        if result.get(key) is None or interval is None:
            continue
        low, high = (round(one, digits + 2) for one in interval)
        note = f"{name} on {result['episodes']} held-out episodes, 95% interval {low} to {high}"
        value = round(result[key], digits + 3)
        metrics.append({"type": _TYPES[key], "value": value, "name": note, "verified": False})
    return metrics


def _agent_sections(
    run: Run,
    checkpoint: Checkpoint,
    result: dict[str, Any] | None,
    has_preview: bool,
    is_rounded: bool,
) -> list[str]:
    members = members_of(str(run.config["env"]))
    env = printable(short_name(str(run.config["env"])))
    several = "s" if len(members) > 1 else ""
    args = _arguments(run)
    return [
        f"An agent for the Gymnasium environment{several} `{env}`{args}, trained with "
        "[mmrl](#use), multimodal reinforcement learning: agents that see an image, read an "
        "instruction, and act.",
        f"![Two held-out episodes of the agent]({PREVIEW})" if has_preview else "",
        _results(result, is_rounded),
        _use(printable(members[0].env)),
        _interface(run),
        _training(run, checkpoint, result),
        _limits(run, result),
    ]


def _arguments(run: Run) -> str:
    args = run.config.get("env_args") or {}
    listed = ", ".join(f"{key}={value!r}" for key, value in args.items())
    return f" with `{printable(listed)}`" if listed else ""


def _results(result: dict[str, Any] | None, is_rounded: bool) -> str:
    if result is None:
        return "## Results\n\nNot evaluated."
    first, last = result.get("seeds", (None, None))
    how = f"Seeds {first} to {last}, never trained on; actions {result.get('actions', 'sampled')}."
    explained = (
        "A random policy, other or no instructions and the environment's expert play the same "
        "seeds: they are what the success has to be compared with."
    )
    rounded = " Measured before the weights were rounded to float16." if is_rounded else ""
    return f"## Results\n\n{markdown(result)}\n\n{how} {explained}{rounded}"


def _use(env: str) -> str:
    return f"""## Use

`NAME` is this folder, or its `user/name` on the hub.

```
pip install multimodal-rl
mmrl eval NAME            # success and controls, with 95% intervals
mmrl watch NAME           # a window: the agent and its action probabilities
mmrl clip NAME --out agent.gif
```

```python
import mmrl

agent = mmrl.load_agent("NAME")
env = mmrl.make_env("{env}", **agent.run.config["env_args"])
observation, info = env.reset(seed=0)
action = agent.predict(observation)
```"""


def _interface(run: Run) -> str:
    info = run.env_info
    if info is None:
        return ""
    rows = [(f"`{key}`", describe_briefly(one)) for key, one in info.observation_space.items()]
    rows.append(("action", describe_briefly(info.action_space)))
    if info.actions:
        rows.append(("", ", ".join(f"{number} {name}" for number, name in info.actions.items())))
    lines = ["## Observations and actions", table(("", "space"), rows)]
    if info.adaptation:
        lines.append("The environment's own observations are adapted:")
        header = ("observation", "is", "becomes", "note")
        lines.append(table(header, info.adaptation))
    return "\n\n".join(lines)


def describe_briefly(space: Any) -> str:
    """A space in few characters."""
    if isinstance(space, spaces.Text):
        return f"a sentence of at most {space.max_length} characters"
    return describe(space)


def _training(run: Run, checkpoint: Checkpoint, result: dict[str, Any] | None) -> str:
    config, model = run.config, run.config.get("model") or {}
    agent = config.get("agent", "ppo")
    hyper = config.get(agent) or {}
    tensors = [one for one in checkpoint.weights.values() if one.is_floating_point()]
    types = sorted({str(one.dtype).removeprefix("torch.") for one in tensors})
    rows = [
        ("algorithm", agent),
        ("steps", f"{checkpoint.steps:,}"),
        ("seed", config.get("seed")),
        ("encoders", ", ".join(_encoders(checkpoint, model))),
        ("fusion", model.get("fusion")),
        ("memory", hyper.get("memory") or "none"),
        ("weights", f"{sum(one.numel() for one in tensors):,}, as {', '.join(types)}"),
    ]
    seconds = (result or {}).get("training_seconds")
    if seconds:
        rows.append(("training", f"{seconds:.0f} s"))
    found = (result or {}).get("versions") or versions()
    rows += [(package, version) for package, version in found.items()]
    lines = ["## Training", table(("", ""), rows), f"`config.yaml` has every setting. "
             f"{_RUN_NO_CODE}"]  # fmt: skip
    return "\n\n".join(lines)


def _encoders(checkpoint: Checkpoint, model: dict[str, Any]) -> list[str]:
    """Observation keys that have weights, with the names of their encoders."""
    found = (_ENCODER.search(name) for name in checkpoint.weights)
    keys = sorted({one[1] for one in found if one})
    own = {key: (row or {}).get("name") for key, row in (model.get("encoders") or {}).items()}
    usual = {IMAGE: "image", INSTRUCTION: "text", SPEECH: "speech"}
    return [f"{key}: {own.get(key) or model.get(usual.get(key, 'vector'))}" for key in keys]


def _limits(run: Run, result: dict[str, Any] | None) -> str:
    info = run.env_info
    lines = [
        "The results hold for this environment with these arguments. Nothing is known of others.",
        "It cannot be trained further: optimiser and environments are not part of the folder.",
    ]
    if info is not None and INSTRUCTION in info.observation_space.spaces:
        lines.insert(1, "It knows the words and sentences of this environment only. Other words "
                        "are ignored or misunderstood.")  # fmt: skip
    if result is not None and result.get("success_rate") is None:
        lines.insert(0, "The environment does not report success: returns are all that is known.")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _task_sections(run: Run, checkpoint: Checkpoint, result: dict[str, Any] | None) -> list[str]:
    """Of what ``mmrl fit`` trained."""
    task = printable(str(run.config["task"]))
    rows = [
        (key.replace("_", " "), f"{value:g}")
        for key, value in (result or {}).items()
        if isinstance(value, int | float) and key not in _NO_MEASURES
    ]
    return [
        f"What `mmrl fit {task}` trained, with [mmrl](#use), multimodal reinforcement learning.",
        "## Results\n\n" + (table(("measure on held-out examples", ""), rows) if rows
                            else "Not evaluated."),
        f"## Use\n\n```\npip install multimodal-rl\n```\n\nThe folder, or its `user/name` on the "
        f"hub, is a run of `mmrl fit {task}` for the commands that take one. {_RUN_NO_CODE}",
        "## Limits\n\n- It knows what the examples of its training had, and nothing else.\n"
        f"- It was trained for {checkpoint.steps:,} steps, and cannot be trained further.",
    ]  # fmt: skip
