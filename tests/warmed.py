"""What the processes of ``tests/warm.py`` begin with: all that a tiny training loads."""

import os
from contextlib import redirect_stderr, redirect_stdout
from tempfile import TemporaryDirectory

from mmrl.cli import main

TINY = [
    "--env", "mmrl/GoToObjS4-v0", "--steps", "32", "--clip_every", "0", "--eval_episodes", "2",
    "--device", "cpu", "--model.image_args", "{width: 8}", "--model.text", "bag_of_words",
    "--model.features", "8", "--ppo.num_envs", "2", "--ppo.n_steps", "16", "--ppo.batch_size", "32",
    "--ppo.n_epochs", "1",
]  # fmt: skip

with (
    TemporaryDirectory() as folder,
    open(os.devnull, "w") as nowhere,
    redirect_stdout(nowhere),
    redirect_stderr(nowhere),
):
    main(["train", *TINY, "--out", f"{folder}/run"])
