"""Every spelling of an option is read: dashes and underscores, flags, and earlier names."""

from typing import Any

import pytest
import yaml
from jsonargparse import ActionConfigFile

from mmrl.arguments import request
from mmrl.arguments.parser import Parser, dashed, plain
from mmrl.cli import collect
from mmrl.cli import eval as evaluation
from mmrl.errors import UserError
from mmrl.experiment import renamed
from mmrl.experiment.run import Run

ENV = "mmrl/GoToObjS4-v0"


@pytest.fixture(autouse=True)
def _nothing_announced(monkeypatch):
    monkeypatch.setattr(renamed, "_announced", set())


@pytest.fixture
def parser():
    one = Parser(prog="mmrl test", earlier={"misled": "swap_instructions"})
    one.add_argument("run", type=str, nargs="?")
    one.add_argument("--env-args", type=dict[str, Any], default={})
    one.add_argument("--num_envs", type=int, default=1)
    one.add_argument("--swap-instructions", type=bool, default=False)
    one.add_argument("--compile", type=bool, default=True)
    return one


@pytest.mark.parametrize("option", ["--num-envs", "--num_envs"])
@pytest.mark.parametrize("form", ["{0} 3", "{0}=3"])
def test_dashes_and_underscores(parser, option, form):
    assert parser.parse_args(form.format(option).split()).num_envs == 3


@pytest.mark.parametrize("option", ["--env-args", "--env_args"])
def test_keys_within_a_mapping(parser, option):
    assert parser.parse_args([f"{option}.room-size", "6"]).env_args == {"room_size": 6}
    assert parser.parse_args([f"{option}.room_size=6"]).env_args == {"room_size": 6}
    assert parser.parse_args([option, "{room_size: 6}"]).env_args == {"room_size": 6}


@pytest.mark.parametrize("option", ["--swap-instructions", "--swap_instructions", "--misled"])
@pytest.mark.parametrize(
    ("rest", "expected"),
    [([], True), (["true"], True), (["false"], False), (["--num-envs", "2"], True)],
)
def test_flags(parser, option, rest, expected):
    assert parser.parse_args([option, *rest]).swap_instructions is expected


def test_a_flag_leaves_other_arguments_alone(parser):
    options = parser.parse_args(["--swap-instructions", "runs/first", "--compile=false"])
    assert (options.run, options.swap_instructions, options.compile) == ("runs/first", True, False)
    assert parser.parse_args(["--", "--misled"]).run == "--misled"


@pytest.mark.parametrize("wrong", ["--num-evns", "--num_evns"])
def test_the_nearest_name_is_shown(parser, wrong):
    with pytest.raises(UserError, match="did you mean 'num_envs'"):
        parser.parse_args([wrong, "3"])


def test_help_shows_dashes(parser):
    text = parser.format_help()
    assert "--num-envs NUM_ENVS" in text
    assert "[--swap-instructions]" in text
    assert "--swap-instructions {true,false}" not in text
    assert "--compile {true,false}" in text  # on by default
    assert dashed("--a_b.c_d=e_f and a_b") == "--a-b.c-d=e_f and a_b"


@pytest.mark.parametrize("command", ["train", "eval", "collect", "tune", "imagine", "play"])
def test_help_of_commands_has_no_underscored_option(call, command):
    out = call(command, "--help")[1]
    assert [word for word in out.split() if word.startswith("--") and "_" in word] == []


@pytest.mark.parametrize(
    "options",
    [
        "--checkpoint-every 7 --model.text-args.width 8 --env-args.room-size 6 --profile",
        "--checkpoint_every 7 --model.text_args.width 8 --env_args.room_size 6 --profile true",
        "--checkpoint-every=7 --model.text-args {width: 8} --env_args={room_size: 6} --profile=yes",
    ],
)
def test_train_takes_every_spelling(options):
    words = options.replace(": ", ":\0").split()
    arguments = [word.replace("\0", " ") for word in words]
    config = request.parse(["--env", ENV, "--out", "unused", *arguments]).config
    assert config.checkpoint_every == 7
    assert config.model.text_args == {"width": 8}
    assert config.env_args == {"room_size": 6}
    assert config.profile is True


@pytest.mark.parametrize("options", [["--goal_picture", "x"], ["--goal-picture=x"]])
def test_an_earlier_key_on_the_command_line(capsys, options):
    arguments = ["--env", ENV, "--out", "unused", f"--model.{options[0][2:]}", *options[1:]]
    assert request.parse(arguments).config.model.goal_image == "x"
    err = capsys.readouterr().err
    assert err == "mmrl train: model.goal_picture is now model.goal_image\n"


@pytest.mark.parametrize(
    ("key", "kind", "value"), [("held_out_pairs", bool, True), ("test_sentences", int, 3)]
)
def test_an_earlier_key_that_had_two_meanings(tmp_path, capsys, key, kind, value):
    one = Parser(prog="mmrl test")
    one.add_argument("--config", action=ActionConfigFile)
    one.add_argument(f"--{key}", type=kind, default=kind())
    assert one.parse_args(["--held-out", str(value).lower()])[key] == value
    assert capsys.readouterr().err == f"mmrl test: held_out is now {key}\n"
    (tmp_path / "old.yaml").write_text(yaml.safe_dump({"held_out": value}))
    assert one.parse_args(["--config", str(tmp_path / "old.yaml")])[key] == value


def test_an_earlier_key_in_a_file(tmp_path, capsys):
    file = tmp_path / "old.yaml"
    file.write_text(yaml.safe_dump({"env": ENV, "model": {"goal_picture": "x", "features": 8}}))
    config = request.parse(["--config", str(file), "--out", "unused"]).config
    assert (config.model.goal_image, config.model.features) == ("x", 8)
    err = capsys.readouterr().err
    assert err == "mmrl train: model.goal_picture is now model.goal_image\n"


def test_an_earlier_key_of_a_run_is_announced_once(tmp_path, capsys):
    old = {"env": ENV, "out": str(tmp_path), "model": {"goal_picture": "x"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(old))
    assert Run.open(tmp_path).config["model"] == {"goal_image": "x"}
    assert capsys.readouterr().err == f"{tmp_path}: model.goal_picture is now model.goal_image\n"
    request.parse(["--resume", str(tmp_path)])
    assert capsys.readouterr().err == ""


def test_a_wrong_key_beside_an_earlier_one(tmp_path):
    file = tmp_path / "old.yaml"
    file.write_text(yaml.safe_dump({"env": ENV, "model": {"goal_picture": "x", "fusoin": "film"}}))
    with pytest.raises(UserError, match="fusoin"):
        request.parse(["--config", str(file), "--out", "unused"])


@pytest.mark.parametrize("option", ["--image", "--picture"])
def test_collect_show_takes_the_earlier_name(option):
    with pytest.raises(UserError, match="its folder does not exist"):
        collect.run(["show", "./nothing", option, "no/such/folder/sheet.png"])


@pytest.mark.parametrize("option", ["--misled", "--swap-instructions"])
def test_eval_takes_both_names(option, tmp_path):
    with pytest.raises(UserError, match="is no run folder"):
        evaluation.run([option, str(tmp_path)])


def test_help_has_no_markup_of_docstrings():
    assert (
        plain("see :class:`~some.where.Tokens` and :mod:`some.where`")
        == "see Tokens and some.where"
    )


LAUGHS = "\n".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}' if k else 'x'] * 9)}]" for k in range(9))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"seed: \xff", "is not UTF-8"),
        (b"seed: [", "is damaged, or no YAML"),
        (b"seed: " + b"[" * 50_000, "nested deeper than"),
        (LAUGHS.encode(), "aliases stand for more than"),
        (b"- 1", "must be a mapping"),
        (b"optimizer:", "optimizer is None, and must be a mapping"),
        (b"ppo: 3", "ppo is 3, and must be a mapping"),
        (b"1: 2", "key 1: must be a text"),
        (b"seed:", "seed is None, and must be a whole number"),
        (b"model: {features: x}", "model.features"),
        (b"steps: 2.5", "steps"),
        (b"agent:", "agent is None, and must be a text"),
        (b"ppo: {gamma: " + b"9" * 400 + b"}", "a number of 400 digits: 99999999999999999999…"),
        (b"stepps: 3", "stepps"),
    ],
)
def test_a_configuration_file_that_cannot_be(tmp_path, content, words):
    file = tmp_path / "a.yaml"
    file.write_bytes(b"env: x\n" * (content[:1] != b"-") + content)
    with pytest.raises(UserError, match=words) as caught:
        request.parse([f"--config={file}", "--out=new"])
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value) or "stepps" in words


@pytest.mark.parametrize("options", ["--ppo.gamma {}", "--seed={}", "--env-args.size [1,-{}]"])
def test_a_number_beyond_all_floats(options):
    given = options.format("9" * 400).split()
    with pytest.raises(UserError, match="99999999999999999999…: a number of 400 digits"):
        request.parse(["--env=x", "--out=new", *given])
