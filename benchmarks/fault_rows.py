"""The rows of ``faults.py``: what was tried, what happened then, and the checks of now."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, Final

from fault_checks import (
    NO_CLIPS,
    SMALL,
    Outcome,
    Row,
    interrupted,
    python,
    refused,
    run,
    script,
    tested,
    train,
    trains,
    trains_not,
    without_traceback,
    works,
)

GRID: Final = "mmrl/GoToObjS4-v0"


def keeps(*names: str) -> Any:
    """The last training of a row has left these files."""

    def check(place: Path) -> Outcome:
        folders = sorted((place / "runs").iterdir(), key=lambda one: one.stat().st_mtime)
        missing = [name for name in names if not list(folders[-1].glob(name))]
        return Outcome(f"kept: {', '.join(names)}", not missing)

    return check


def resumed_wrongly(*options: str) -> Any:
    """A resume that is refused changes nothing: the configuration is as it was."""

    def check(place: Path) -> Outcome:
        file = place / "runs" / "good" / "config.yaml"
        if not file.is_file():
            run(["train", "--env", "room:Room-v0", *SMALL, *NO_CLIPS, "--out", "runs/good"], place)
        before = file.read_text()
        command = ["train", "--resume", "runs/good", "--steps", "384", "--allow_changes", *options]
        status = run(command, place).returncode
        evaluated = run(["eval", "runs/good", "--episodes", "4"], place).returncode
        same = file.read_text() == before
        return Outcome(
            f"{' '.join(options)}: [{status}], configuration as it was: {same}, eval [{evaluated}]",
            status == 2 and same and evaluated == 0,
        )

    return check


def modes(place: Path) -> Outcome:
    """The modes of a run's files follow the umask."""
    code = f"main({train('room:Room-v0', *NO_CLIPS)!r})"
    done = run(
        ["-c", f"import os; os.umask(2)\nfrom mmrl.cli import main\nraise SystemExit({code})"],
        place,
    )
    found = {f"{f.name} {f.stat().st_mode & 0o777:o}" for f in place.glob("runs/*/checkpoints/*/*")}
    return Outcome(
        ", ".join(sorted(found)), done.returncode == 0 and all("664" in one for one in found)
    )


ENVIRONMENTS: Final = [
    Row("F1", "states of environments that are no plain data, that need an argument, that raise",
        "trained to the end, then exit 2, and the run folder was removed",
        [trains("states:Visited-v0", *NO_CLIPS),
         *(trains(f"states:{name}-v0", *NO_CLIPS, says=["exact resume is off"])
           for name in ("Other", "Failing"))]),
    Row("F2", "a resume that is refused: another fusion, environment, optimiser",
        "config.yaml was rewritten first: the good run could not be evaluated any more",
        [resumed_wrongly("--model.fusion", "concat"),
         resumed_wrongly("--env", GRID),
         resumed_wrongly("--optimizer.name", "sgd")]),
    Row("F3", "a reward that is not a number",
        "the report was named, and removed with the folder; learning_rate was blamed",
        [trains_not("rewards:NotANumber-v0", *NO_CLIPS, says=["reward", "NotANumber-v0", "step"])]),
    Row("F4", "Ctrl-C before the first checkpoint: one process, three times, two workers",
        "run folder removed: 5 of 5 times with workers, 1 of 9 by an impatient user",
        [interrupted("one", 1), interrupted("impatient", 3),
         interrupted("workers", 1, "--workers", "2")]),
    Row("F5", "a full disk at the last checkpoint, and in the middle",
        "run folder with its curves removed; TensorBoard's writer ended the training",
        [script("full_disk", lambda file: (
            f"{len(file['cases'])} cases, {sum(one['traceback'] for one in file['cases'])} "
            "tracebacks, all continue with room",
            not any(one["traceback"] or one["with_room"] for one in file["cases"])))]),
    Row("F6", "states with tuples, and arrays at 'a/b' and 'a' → 'b'",
        "(3, 1) came back as [3, 1], and both arrays as the second",
        [trains("states:Same-v0", *NO_CLIPS, "--out", "runs/same"),
         works("train", "--resume", "runs/same", "--steps", "384", "--allow-changes",
               says=[r"came back: \{'at': \(3, 1\), 'a/b': array\(\[0., 0.\]\), "
                     r"'a': \{'b': array\(\[1., 1.\]\)\}\}"])]),
    Row("F7", "actions that are not one number, clips on: ppo, a2c, sac, td3",
        "TypeError at the first clip, no checkpoint",
        [trains("actions:Arm-v0", "--agent", "ppo"), trains("actions:Arm-v0", "--agent", "a2c"),
         trains("actions:Arm-v0", "--agent", "sac"), trains("actions:Arm-v0", "--agent", "td3"),
         trains("actions:Buttons-v0"), trains("actions:Switches-v0")]),
    Row("F8", "environments that cannot be rendered as they declare",
        "AssertionError, RuntimeError, TypeError at the first clip, no checkpoint",
        [trains(f"rendering:{name}-v0")
         for name in ("Skeleton", "Headless", "Human", "Nothing", "Several")]),
    Row("F9", "observations that are not what their space declares",
        "tracebacks of numpy, without the name of environment or key",
        [trains_not("observations:Floats-v0", *NO_CLIPS, says=["Floats-v0", "image", "float32"]),
         trains_not("observations:Ints-v0", *NO_CLIPS, says=["Ints-v0", "image", "int64"]),
         trains_not("observations:Larger-v0", *NO_CLIPS, says=["Larger-v0", "image", "32"]),
         trains_not("observations:Extra-v0", *NO_CLIPS, says=["Extra-v0", "keys"]),
         trains("observations:Masks-v0", *NO_CLIPS),
         trains_not("observations:Null-v0", *NO_CLIPS, says=["Null-v0", "instruction"]),
         trains_not("observations:Lines-v0", *NO_CLIPS, says=["Lines-v0", "instruction"])]),
    Row("F10", "channel-first, grey and float images, as they are and wrapped in ContractAdapter",
        "'cannot be adapted by itself … Wrap it in ContractAdapter', wrapped: the same sentence",
        [trains(f"observations:{name}{wrapped}-v0", *NO_CLIPS)
         for name in ("First", "Gray", "Unit") for wrapped in ("", "Wrapped")]),
    Row("F12", "constructors, reset() and close() that raise, environments of the old Gym",
        "tracebacks; the 512 resets for the words were unguarded",
        [trains_not("raising:Made-v0", *NO_CLIPS, says=["Made-v0", "no simulator found"]),
         trains_not("raising:Reset-v0", *NO_CLIPS, says=["Reset-v0", "cannot load the scene"]),
         trains_not("raising:Old-v0", *NO_CLIPS, says=["Old-v0", "seed"]),
         trains_not("raising:Older-v0", *NO_CLIPS, says=["Older-v0", "reset"]),
         trains("raising:Closing-v0", *NO_CLIPS, says=["Closing-v0 raised in close"]),
         trains_not("raising:Hundred-v0", *NO_CLIPS, says=["Hundred-v0", "there are 100 scenes"]),
         trains_not("raising:Missing-v0", *NO_CLIPS, says=["Missing-v0", "not_installed"])]),
    Row("F17", "an installed package whose environments, or agent, cannot be imported",
        "every command ended in its ModuleNotFoundError",
        [works(*train("room:Room-v0", *NO_CLIPS), PLUGIN="broken_plugin",
               says=["package 'broken'.*cannot be imported"]),
         tested("tests/mmrl/test_registry.py::an agent that cannot be imported")]),
    Row("F19", "an instruction that changes within an episode",
        "training read the first one for ever, evaluation the new one",
        [tested("tests/agents/test_changing_instruction.py"),
         trains("episodes:Mind-v0", *NO_CLIPS)]),
    Row("F20", "images that are drawn into one buffer",
        "terminal observations were the next episode's first image; clips the last one alone",
        [python("import episodes, numpy as np\n"
                "from mmrl.wrappers.adapters import make_vec_env\n"
                "from mmrl.preprocessing.text import WordTokenizer\n"
                "from mmrl_agents.vec_env import MultimodalVecEnv\n"
                "from mmrl.evaluation.player import EpisodePlayer\n"
                "from mmrl.evaluation.random_policy import RandomPolicy\n"
                "envs = MultimodalVecEnv(make_vec_env('Screen-v0', 1), WordTokenizer(['open']))\n"
                "envs.reset()\n"
                "for _ in range(4): *_, infos = envs.step(np.zeros(1, np.int64))\n"
                "print('last', infos[0]['terminal_observation']['image'][0, 0, 0])",
                says=["last 14"])]),
    Row("F21", "Discrete and MultiDiscrete actions that do not begin at 0",
        "0 to 2 were sent, so the last action was never taken",
        [trains("actions:Start-v0", *NO_CLIPS), trains("actions:Start-v0", "--agent", "dqn",
                                                       *NO_CLIPS),
         trains("actions:Starts-v0", *NO_CLIPS)]),
    Row("F24", "words that a policy has not learned, in evaluation",
        "read as unknown, and nobody was told",
        [works(*train(GRID, *NO_CLIPS), "--out", "runs/grid"),
         works("eval", "runs/grid", "--episodes", "4", "--env-args", "{language: zh}",
               says=["outside the agent's vocabulary"])]),
    Row("F29b", "--resume with --instruction speech", "continued to read text; config said speech",
        [trains("room:Room-v0", *NO_CLIPS, "--out", "runs/text"),
         refused("train", "--resume", "runs/text", "--instruction", "speech", "--allow-changes",
                 says=["instruction: text → speech"])]),
    Row("F29c", "is_success of None, and of 'False'", "0% and 100% success",
        [trains("rewards:Unset-v0", *NO_CLIPS, says=["success 100.0%|return"]),
         trains_not("rewards:Quoted-v0", *NO_CLIPS, says=["Quoted-v0", "is_success"])]),
    Row("F31", "an episode that never ends: training with clips, collecting",
        "stood still without a word, with growing memory",
        [trains("episodes:Endless-v0", "--eval_episodes", "1", says=["10,000 steps"]),
         works("collect", "episodes:Endless-v0", "--episodes", "1", "--by", "random", "--out",
               "./endless", says=["10,000 steps"])]),
    Row("F33", "is_success in an array; a reward of two numbers",
        "ValueError of numpy, without a name",
        [trains("rewards:Boxed-v0", *NO_CLIPS),
         trains_not("rewards:Pair-v0", *NO_CLIPS, says=["Pair-v0", "reward"])]),
    Row("F40", "stable-baselines3's constructor with an id, or a gym.Env",
        "'NoneType' object is not iterable",
        [python("import room, gymnasium\nfrom mmrl import ModelConfig\n"
                "from mmrl_agents.networks.policy import MultimodalPolicy\n"
                "from mmrl_agents.algorithms.ppo import PPO\n"
                "for env in ('Room-v0', gymnasium.make('Room-v0')):\n"
                "    try:\n"
                "        PPO(MultimodalPolicy, env, policy_kwargs={'model': ModelConfig()})\n"
                "        print('made')\n"
                "    except Exception as error: print(type(error).__name__, error)",
                says=["made|MultimodalVecEnv"])]),
    Row("F30", "./room:Room-v0; a rollout of one; lengths 0 and -3; clip into a folder; a module "
        "with an error of its own", "TypeError, AssertionError, RuntimeError, IsADirectoryError",
        [trains_not("./room:Room-v0", says=["is no name of a module"]),
         trains("room:Room-v0", "--ppo.num_envs", "1", "--ppo.n_steps", "2", "--ppo.batch_size",
                "2", "--steps", "4", *NO_CLIPS),
         trains_not("room:Room-v0", "--ppo.num_envs", "1", "--ppo.n_steps", "1",
                    "--ppo.batch_size", "1", "--steps", "4", *NO_CLIPS),
         trains_not("room:Room-v0", "--model.instruction_length", "0", says=["instruction_length"]),
         trains_not("room:Room-v0", "--model.instruction_length", "-3",
                    says=["instruction_length"]),
         trains("room:Room-v0", *NO_CLIPS, "--out", "runs/clipped"),
         refused("clip", "runs/clipped", "--out", "runs", says=["directory"]),
         trains_not("broken_module:Any-v0", says=["ZeroDivisionError: an error of this module"])]),
    Row("F30", "NUMBA_DISABLE_JIT=1", "OverflowError",
        [python("import gymnasium, mmrl_envs\n"
                "gymnasium.make('mmrl/GoToObj-v0').reset(seed=0); print('reset')",
                says=["reset"], NUMBA_DISABLE_JIT="1")]),
    Row("F41", "unknown environments", "one line of 8,000 characters; a hint at Reacher-v5",
        [trains_not("Kitchen-v0", says=["module:Kitchen-v0"]), trains_not("mmrl/GoToRedBal-v0",
         says=["GoToRedBall"]), trains_not("ALE/Breakout-v5", says=["pip install ale-py"])]),
    Row("F42", "an empty instruction late in a training",
        "'an instruction is empty', without environment, step or how to continue",
        [trains("observations:Empty-v0", *NO_CLIPS)]),
]  # fmt: skip

VECTORS: Final = ["--model.text", "word_vectors", "--model.text_args"]


def vectors(name: str) -> list[str]:
    """A training with a file of word vectors."""
    return train("room:Room-v0", *NO_CLIPS, *VECTORS, f"{{vectors: vectors/{name}.txt}}")


def encoder(name: str) -> list[str]:
    """A training with a text encoder of a folder."""
    return train("room:Room-v0", *NO_CLIPS, "--model.text", f"./encoders/{name}",
                 "--model.text_args", "{}")  # fmt: skip


FILES: Final = [
    Row("F34", "word vectors with spaces in tokens, a blank end, tabs, a byte order mark, inf",
        "refused or not found; the first word lost; traceback",
        [python("import word_vectors"), works(*vectors("spaces")), works(*vectors("blank_end")),
         works(*vectors("tabs")), works(*vectors("bom")),
         refused(*vectors("infinite"), says=["line 1|finite|inf"])]),
    Row("F25, F35", "text encoders: no tokenizer, half precision, short, T5, RoBERTa, cut",
        "trained with unknown words alone; RuntimeError, ValueError, SafetensorError",
        [python("import text_encoders"),
         refused(*encoder("no_tokenizer"), says=["tokenizer"]),
         works(*encoder("half")), works(*encoder("bfloat")),
         without_traceback(*encoder("short")), without_traceback(*encoder("t5")),
         without_traceback(*encoder("roberta")),
         refused(*encoder("cut"), says=["cut"])]),
    Row("F26", "16-bit and float images, orientation of a camera",
        "read as all white, all black, not turned",
        [python("import image_files\nfrom pathlib import Path\n"
                "from mmrl.retrieval.images import read_image\n"
                "gray, real, phone = (read_image(Path('images') / one) for one in "
                "('gray16.png', 'float.tif', 'phone.jpg'))\n"
                "print(gray.min(), gray.max() > 240, real.min(), real.max() > 240, phone.shape)",
                says=[r"0 True 0 True \(32, 64, 3\)"])]),
    Row("F36", "an image whose name is not UTF-8; one of 400 million pixels",
        "UnicodeEncodeError after all were embedded; DecompressionBombError",
        [python("import image_files"),
         works("collect", GRID, "--episodes", "32", "--by", "expert", "--out", "./data"),
         works("fit", "retrieval", "--data", "./data", "--steps", "2", "--batch-size", "8",
               "--out", "runs/retrieval"),
         works("index", "./images", "--model", "runs/retrieval", "--out", "images.index"),
         works("search", "images.index", "a red ball", "--out", "found.png"),
         works("fit", "captioner", "--data", "./data", "--steps", "2", "--batch-size", "8",
               "--out", "runs/captioner"),
         refused("caption", "runs/captioner", "images/bomb.png", "images/bomb.png",
                 says=["bomb.png"])]),
    Row("F29", "combining marks, decomposed Unicode; texts that the font of clips lacks",
        "words were cut at every mark; one box for every letter but ASCII",
        [python("import unicodedata\nfrom mmrl.preprocessing.text import join_words, split_words\n"
                "for text in ('लाल गेंद', 'ไปที่ลูกบอล', 'öffne die tür'):\n"
                "    text = unicodedata.normalize('NFC', text)\n"
                "    print(join_words(split_words(text)) == text)\n"
                "print(split_words('öffne') == "
                "split_words(unicodedata.normalize('NFD', 'öffne')))",
                says=[r"True\nTrue\nTrue\nTrue"]),
         works(*train(GRID, "--env-args", "{language: zh}", "--out", "runs/zh")),
         works("clip", "runs/zh", "--episodes", "1", "--out", "zh.gif")]),
    Row("S1 to S8", "code in files of others: class_path, datasets, modules in a run, pickles, EPS",
        "32 of 32 controls ran code",
        [script("hostile_files", lambda file: (
            f"{file['fired']} of {file['commands']} commands ran code",
            file["fired"] == 0 and file["controls_that_fired"] == file["controls"])),
         tested("tests/agents/cli/test_trust.py"), tested("tests/mmrl/test_trust.py")]),
    Row("Corrupt files", "6,762 mutations of 20 kinds of files", "905 tracebacks",
        [lambda _: Outcome("measured apart: benchmarks/fuzz_readers.py", True)]),
]  # fmt: skip


def packages(file: Any) -> tuple[str, bool]:
    """How many of the published packages train by the command alone."""
    rows = file["environments"].values()
    trained = sum(row["trains"] for row in rows)
    text = f"{trained} of {len(rows)} published environments train by the command alone"
    return text, trained >= 0.9 * len(rows)


def processes(file: Any) -> tuple[str, bool]:
    """Speed with environments in four processes, beside none."""
    speeds = file["kinds"]["sleep"]["steps_per_second"]
    one, four = (sum(speeds[name]) / len(speeds[name]) for name in ("0", "4"))
    return f"{one:.0f} steps a second in one process, {four:.0f} in 4", four > 2 * one


FOREIGN: Final = [
    Row("E1 to E4", "24 published packages, and 72 synthetic observation spaces",
        "1 without code; 20 of 72 right, 14 tracebacks, 6 silently wrong",
        [script("packages", packages), tested("tests/agents/test_any_spaces.py"),
         tested("tests/foreign/test_policies.py")]),
    Row("E5", "simulators of 20 ms a step", "one process: 34 steps a second",
        [script("slow_simulator", processes)]),
    Row("E6", "--ppo.num_envs 8 alone", "batch_size=512 must divide 256",
        [works("train", "--env", "room:Room-v0", "--steps", "256", "--ppo.num_envs", "8",
               "--eval_episodes", "4", *NO_CLIPS, "--out", "runs/eight")]),
    Row("E7", "actions without bounds, of two axes; masks", "refused, or not used",
        [tested("tests/agents/test_action_spaces.py"),
         tested("tests/agents/test_action_masks.py")]),
    Row("E8", "ALE/Breakout-v5, module:Class, a file", "3,200 characters of ids; TypeError",
        [trains("room:Room", *NO_CLIPS), trains_not("./room.py:Room-v0", says=["module"])]),
    Row("E9", "set_state(qpos, qvel), as MuJoCo's", "trained, then resume was refused",
        [tested("tests/agents/test_resume.py"), tested("tests/mmrl/wrappers/test_state.py")]),
    Row("E10, E11", "environments that share a display; vector engines of another autoreset",
        "ended by a helper's close(); refused by the text of an exception",
        [tested("tests/mmrl/wrappers/test_adapters.py")]),
    Row("E12", "train, evaluate, load, predict in Python", "10 imports; predict failed on text",
        [python("import mmrl, room\n"
                "run = mmrl.train('Room-v0', steps=128, out='runs/api', eval_episodes=4, "
                "clip_every=0, verbose=False, ppo={'num_envs': 4, 'n_steps': 32})\n"
                "env = mmrl.make_env('Room-v0'); observation, _ = env.reset(seed=0)\n"
                "print('action', mmrl.load_agent('runs/api').predict(observation))",
                says=["action"])]),
    Row("E13, E14", "long texts, many actions; clips that fail",
        "cut without a word; a look ended the training",
        [tested("tests/agents/cli/test_train.py"),
         tested("tests/mmrl/preprocessing/test_text.py")]),
]  # fmt: skip


def alone(script: str, place: Path) -> str:
    """The output of a shell script in a mount namespace of its own."""
    code = f"import subprocess; subprocess.run(['unshare', '-m', 'sh', '-c', {script!r}])"
    done = run(["-c", code], place)
    return done.stdout + done.stderr


def read_only(place: Path) -> Outcome:
    """Code and home that cannot be written: kernels go to a temporary folder."""
    code = "import gymnasium, mmrl_envs; gymnasium.make('mmrl/GoToObj-v0').reset(seed=0)"
    mount = (
        "root=$(python -c 'import mmrl_envs; print(mmrl_envs.__path__[0])'); "
        "mount --make-rprivate / && mount --bind $root $root && mount -o remount,ro,bind $root && "
        f'mkdir -p t && TMPDIR=$PWD/t HOME=/proc python -P -c "{code}" && ls t && '
        f'TMPDIR=$PWD/t setpriv --reuid 54321 --clear-groups env -u HOME python -P -c "{code}"; '
        "test ! -e '~' && echo read-only works"
    )
    output = alone(mount, place)
    return Outcome(
        output.strip().splitlines()[-1][:200], "read-only works" in output and "Error" not in output
    )


def full_cache(place: Path) -> Outcome:
    """A cache of kernels on a full disk."""
    code = "import gymnasium, mmrl_envs; gymnasium.make('mmrl/GoToObjS4-v0').reset(seed=0)"
    mount = (
        "mount --make-rprivate / && mkdir -p c && mount -t tmpfs -o size=200k tmpfs c && "
        f"NUMBA_CACHE_DIR=$PWD/c python -P -c \"{code}; print('full cache works')\""
    )
    output = alone(mount, place)
    warned = [line for line in output.splitlines() if "cannot be kept" in line]
    return Outcome(
        f"{len(warned)} warning; {output.strip().splitlines()[-1][:150]}",
        "full cache works" in output and len(warned) == 1,
    )


def encodings() -> list[Any]:
    """Output that is not UTF-8."""
    command = train("room:Room-v0", *NO_CLIPS)
    return [
        works(*command, "--out", f"runs/{name}", PYTHONIOENCODING=name, says=["training ppo"])
        for name in ("cp1252", "latin-1", "ascii")
    ] + [
        works(*command, "--out", "runs/posix", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"),
        works("collect", "room:Room-v0", "--episodes", "2", "--by", "random", "--out", "./data",
              PYTHONIOENCODING="cp1252"),
    ]  # fmt: skip


def names() -> list[Any]:
    """Names of folders that are not UTF-8, or too long."""
    return [
        refused(*train("room:Room-v0"), "--out", "runs/caf\udce9", says=["is not UTF-8"]),
        refused(*train("room:Room-v0", "--out", "runs/" + "x" * 300), says=["too long"]),
        refused("eval", "x" * 300),
        refused("clip", "runs/no", "--out", "x" * 300 + ".gif"),
    ]


def deleted(*command: str) -> Any:
    """A command in a working directory that was deleted."""

    def check(place: Path) -> Outcome:
        code = (
            "import os, subprocess, sys\nos.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"
            f"raise SystemExit(subprocess.call([sys.executable, '-P', '-m', 'mmrl', "
            f"*{list(command)!r}]))"
        )
        done = run(["-c", code], place)
        output = done.stdout + done.stderr
        line = output.strip().splitlines()[-1][:200]
        return Outcome(f"{line} [{done.returncode}]", "Traceback" not in output)

    return check


def no_home(place: Path) -> Outcome:
    """HOME unset, and a user without an entry."""
    code = (
        "import os, subprocess, sys\nenv = {k: v for k, v in os.environ.items() if k != 'HOME'}\n"
        "os.chmod('.', 0o777); os.chmod('..', 0o755)\n"
        f"raise SystemExit(subprocess.call(['setpriv', '--reuid', '54321', '--clear-groups', "
        f"sys.executable, '-P', '-m', 'mmrl', *{train('room:Room-v0', *NO_CLIPS)!r}], env=env))"
    )
    done = run(["-c", code], place)
    output = done.stdout + done.stderr
    line = output.strip().splitlines()[-1][:200]
    holds = done.returncode == 0 and not (place / "~").exists()
    return Outcome(f"{line} [{done.returncode}]", holds)


SURROUNDINGS: Final = [
    Row("F14", "read-only code and home; no HOME and no entry in passwd; a full kernel cache",
        "RuntimeError: no locator available; a folder named ~; OSError",
        [read_only, full_cache, no_home, tested("tests/envs/core/test_kernel_cache.py")]),
    Row("F15", "modes of files in a run, umask 002", "weights.safetensors was 0600: 'is damaged'",
        [modes]),
    Row("F16", "output in cp1252, Latin-1, ASCII; LC_ALL=C", "UnicodeEncodeError", encodings()),
    Row("Surroundings", "names over 255 bytes, or not UTF-8", "tracebacks", names()),
    Row("Surroundings", "a deleted working directory", "FileNotFoundError traceback",
        [deleted("--version"), deleted("envs"), deleted("train", "--help"),
         deleted("train", "--env", GRID, "--out", "runs/a", "--steps", "64"),
         deleted("eval", "runs/a")]),
    Row("Surroundings", "SIGTERM and SIGHUP", "saved nothing",
        [interrupted("term", 1, signum=signal.SIGTERM), interrupted("hup", 1,
                                                                    signum=signal.SIGHUP)]),
    Row("Surroundings", "two --resume of one run at once", "mixed up: no lock",
        [tested("tests/mmrl/experiment/test_lock.py")]),
    Row("Surroundings", "--workers 2", "listened on 14 ports of all interfaces",
        [script("ports", lambda file: (
            f"{sum(not one['loopback'] for one in file['listening'])} of {len(file['listening'])} "
            "ports are open to others", all(one["loopback"] for one in file["listening"])))]),
    Row("Surroundings", "mmrl train --help", "6 s, with torch and stable-baselines3",
        [tested("tests/mmrl/cli/test_start_up.py"), works("train", "--help", says=["--ppo"])]),
    Row("Surroundings", "the first compilation", "silent for 76 s",
        [python("import gymnasium, mmrl_envs\n"
                "gymnasium.make('mmrl/GoToObjS4-v0').reset(seed=0)",
                says=["compiling the kernels of the grid worlds, once"], NUMBA_CACHE_DIR="kernels"),
         tested("tests/envs/core/test_kernel_cache.py")]),
    Row("Surroundings", "recipes that --help names, in the wheel", "not in the wheel",
        [works("recipes", says=["demo", "fit/captioner"]),
         works("train", "--config", "demo", "--print-config", says=["mmrl/PickupDistStrict-v0"])]),
    Row("Faults", "killed at random moments and resumed", "Ctrl-C in mmrl fit was not exact",
        [script("resume", lambda file: (
            f"weights equal in {sum(one['equal']['weights'] for one in file['interrupts'])} of "
            f"{len(file['interrupts'])}",
            all(one["equal"]["weights"] for one in file["interrupts"])))]),
    Row("Faults", "killed before the first checkpoint: the same command again",
        "could neither be resumed nor begun again",
        [tested("tests/mmrl/experiment/test_run.py")]),
    Row("Faults", "a million training steps", "not measured",
        [script("long_run", lambda file: (
            "; ".join(f"{name} {one['rss_mb']['per_million_steps']:+.1f} MB"
                      for name, one in file["kinds"].items()),
            all(one["status"] == 0 and not any(one["left_at_the_end"].values())
                for one in file["kinds"].values())))]),
]  # fmt: skip
