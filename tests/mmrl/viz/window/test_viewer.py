"""Playing and watching without a screen: keys go in, images and a recording come out."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from PIL import Image

from mmrl.agent import action_probabilities
from mmrl.contract import batch_of_one
from mmrl.errors import UserError
from mmrl.viz.window import drawing
from mmrl.viz.window.drawing import GREEN, HEIGHT, RED, WIDTH, Scene, draw
from mmrl.viz.window.player import Player, keys_of, play
from mmrl.viz.window.recording import Recording
from mmrl.viz.window.session import Session
from mmrl.viz.window.watcher import Watcher, watch
from mmrl.viz.window.window import CLOSED, Window

GRID = "mmrl/GoToObjS4-v0"
RIGHT, GO = 1, 2


class Hands:
    """A window that shows nothing and presses keys, a list at each look."""

    def __init__(self, *presses):
        self.presses = [*presses, [CLOSED]]
        self.shown = []
        self.fps = 0

    def show(self, image):
        self.shown.append(image)

    def pressed(self):
        return self.presses.pop(0)


class Sure:
    """Always turns right, with probability 1."""

    def act(self, observation, *, deterministic):
        return np.full(len(observation["image"]), RIGHT)

    def probabilities(self, observation):
        shares = np.float32([0.1, 0.8, 0.1, 0, 0, 0, 0])
        return np.tile(shares, (len(observation["image"]), 1))


@pytest.fixture
def session():
    made = Session(GRID, {"max_steps": 5}, 3)
    yield made
    made.close()


def colored(image, color):
    return int((image == np.array(color, np.uint8)).all(axis=2).sum())


def test_keys_become_actions(session):
    player = Player(session)
    before = session.view
    assert player.press("right")
    assert (session.steps, session.last_action) == (1, "right")
    assert not np.array_equal(session.view, before)
    assert not player.press("F13")
    assert ("tab", "map") in player.scene().keys
    assert session.steps == 1
    assert player.press("r")
    assert (session.steps, session.seed) == (0, 3)
    assert np.array_equal(session.view, before)
    assert player.press("n")
    assert session.seed == 4


def test_an_episode_ends_and_the_next_one_begins(session):
    player = Player(session)
    for _ in range(5):
        player.press("d")
    assert session.success is False
    assert session.limit == 5
    assert colored(draw(player.scene()), RED) > 10_000
    assert not player.press("d")  # it is over
    assert session.steps == 5
    assert player.press("return")
    assert (session.success, session.steps, session.seed) == (None, 0, 4)


def test_success_is_green():
    session = Session(GRID, {}, 3)
    player = Player(session)
    keys = {action: key for key, action in keys_of(session.actions).items()}
    while session.success is None:
        player.press(keys[session._env.unwrapped.expert_action()])
    assert session.success
    assert colored(draw(player.scene()), GREEN) > 10_000
    assert session.clauses_done == 1
    assert 0 < session.reward <= 1


def test_the_map_and_the_view_change_places(session):
    player = Player(session)
    small = draw(player.scene())
    player.press("tab")
    large = draw(player.scene())
    assert player.scene().caption == "the whole scene"
    assert player.scene().inset_caption == "what the agent sees"
    assert (small != large).any(axis=2).mean() > 0.2


def test_playing_until_the_window_is_closed(session, tmp_path):
    file = tmp_path / "play.gif"
    recording = Recording(str(file))
    hands = Hands(["up", "right"], [], ["tab"])
    play(Player(session), hands, recording)
    assert recording.save() == file
    with Image.open(file) as written:
        assert written.n_frames == 4
        assert written.size == (WIDTH, HEIGHT)
    assert len(hands.shown) == 4
    assert np.array_equal(hands.shown[1], hands.shown[2])
    assert not np.array_equal(hands.shown[0], hands.shown[1])


def test_a_strangers_environment_is_played_with_the_number_keys(signals):
    session = Session(signals, {}, 0)
    player = Player(session)
    assert player.scene().keys[:2] == [("1", "action 0"), ("2", "action 1")]
    assert player.press("1")
    assert session.steps == 1
    assert session.clauses_done is None
    assert "clauses done" not in dict(player.scene().status)
    assert keys_of(["left", "jump"]) == {"left": 0, "2": 1}


def test_an_agent_is_watched(session):
    watcher = Watcher(session, Sure(), episodes=2)
    hands = Hands(*[[]] * 60)
    watch(watcher, hands, Recording(None), fps=8)
    assert watcher.is_over
    assert session.seed == 4  # two episodes
    assert session.success is not None
    assert hands.fps == 8
    assert watcher.scene().bars[RIGHT] == ("right", pytest.approx(0.8), True)
    image = draw(watcher.scene())
    assert colored(image, drawing._BLUE) > 500


def test_pause_step_and_speed(session):
    watcher = Watcher(session, Sure())
    hands = Hands(["space"], [], [], ["right"], [], ["+", "+"], ["-"])
    watch(watcher, hands, Recording(None), fps=4)
    assert session.steps == 1
    assert watcher.is_paused
    assert watcher.speed == 2
    assert hands.fps == 8
    watcher.press("n")
    assert (session.steps, session.seed) == (0, 4)


def test_no_bars_where_nobody_tells(session, scripted):
    actor = scripted(lambda view, instruction: 0)
    assert action_probabilities(actor, batch_of_one(session.observation)) is None
    watcher = Watcher(session, actor)
    watcher.advance()
    assert watcher.scene().bars == ()


def test_long_instructions_fit():
    blank = np.zeros((8, 8, 3), np.uint8)
    text = "put the green bowl on the left next to the purple drum behind you and " * 5
    image = draw(Scene("x", text, blank, "view"))
    assert image.shape == (HEIGHT, WIDTH, 3)
    above = image[100:103, 24 : 24 + 300]
    assert (above == above[0, 0]).all()  # nothing runs into the image


def test_a_real_window_without_a_screen(session, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame = pytest.importorskip("pygame")
    window = Window("test", fps=1000)
    image = draw(Player(session).scene())
    window.show(image)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_SPACE))
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert window.pressed() == ["space", CLOSED]
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert np.array_equal(shown, image)
    window.close()


@pytest.mark.parametrize(
    ("path", "reason"), [("no/such/folder/x.gif", "does not exist"), (".", "is a folder")]
)
def test_a_recording_that_cannot_be_written_is_refused_at_once(path, reason):
    with pytest.raises(UserError, match=reason):
        Recording(path)


class Steering(gym.Env):
    """Has a steering wheel; its rendering fails; ends after three steps."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4, "actions": ["steer"]}
    action_space = spaces.Box(-1, 1, (1,), np.float32)
    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (8, 8, 3), np.uint8), instruction=spaces.Text(9)
    )

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def look(self):
        return {"image": np.full((8, 8, 3), self.steps, np.uint8), "instruction": "drive"}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.look(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.steps += 1
        return self.look(), 1.0, self.steps == 3, False, {"is_success": np.array([True])}

    def render(self):
        raise RuntimeError("no GL context")


class Buttons(Steering):
    """Has two buttons, each with names, and renders nothing."""

    metadata = {"render_modes": [], "actions": [["open", "shut"], ["low", "mid", "high"]]}
    action_space = spaces.MultiDiscrete([2, 3])


class Late(Steering):
    """Its actions are 1 and 2."""

    metadata = {"render_modes": [], "actions": ["left", "right"]}
    action_space = spaces.Discrete(2, start=1)


def strange(kind):
    name = f"test/{kind.__name__}-v0"
    if name not in gym.registry:
        gym.register(name, kind, disable_env_checker=True)
    return name


class Steady:
    """Always does the same."""

    def __init__(self, action):
        self.action = np.array(action)

    def act(self, observation, *, deterministic):
        return np.stack([self.action] * len(observation["image"]))


class Robot(Steering):
    """Has a part of each kind."""

    metadata = {"render_modes": []}
    action_space = spaces.Dict(arm=spaces.Box(0, 10, (1,)), go=spaces.Discrete(2, start=1))

    def step(self, action):
        self.got = action
        return super().step(action)


@pytest.mark.filterwarnings("ignore:environment test/Steering")
@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Steering, ["nothing", "steer -1", "steer 1"]),
        (Buttons, ["nothing", "shut", "mid", "high"]),
        (Robot, ["nothing", *(f"0: {k}" for k in range(1, 11)), "1: 1"]),
        (Late, ["left", "right"]),
    ],
)
def test_keys_choose_from_actions_of_any_kind(kind, names):
    session = Session(strange(kind), {}, 0)
    player = Player(session)
    assert session.choices == names
    assert player.press(list(player._keys)[1])
    assert session.steps == 1
    assert [name for _, name in player.scene().keys][: len(names)][:10] == names[:10]
    assert not player.press("x")


def test_keys_change_one_part_of_an_action():
    session = Session(strange(Robot), {}, 0)
    robot = session._env.unwrapped
    for k, wanted in [(0, (0, 1)), (3, (3, 1)), (11, (0, 2))]:
        session.restart()
        session.act(k)
        assert (robot.got["arm"][0], robot.got["go"]) == wanted


def test_an_imagined_world_wants_discrete_actions():
    with pytest.raises(UserError, match=r"Buttons.*actions are MultiDiscrete\(\[2, 3\]\)"):
        Session(strange(Buttons), {}, 0).require_discrete()


@pytest.mark.parametrize(
    ("kind", "action", "label"),
    [
        (Steering, np.float32([0.5]), "steer 0.50"),
        (Buttons, [1, 2], "shut, high"),
        (Late, 1, "right"),
    ],
)
@pytest.mark.filterwarnings("ignore:environment test/Steering")
def test_agents_of_any_actions_are_watched(kind, action, label):
    session = Session(strange(kind), {}, 0)
    watcher = Watcher(session, Steady(action), episodes=1)
    assert watcher.advance()
    assert session.last_action == label
    assert ("last action", label) in watcher.scene().status
    watch(watcher, Hands(*[[]] * 20), Recording(None), fps=8)
    assert session.success is True


def test_rendering_that_fails_shows_the_observations():
    with pytest.warns(UserWarning, match="Steering-v0: .*no GL context.*only the observations"):
        session = Session(strange(Steering), {}, 0)
    session.step(np.float32([0]))  # without a second warning
    session.next_episode()
    assert session.overview is None
