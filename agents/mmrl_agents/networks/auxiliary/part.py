"""The auxiliary loss as a part of an agent: names, configuration, builder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from gymnasium import spaces

from mmrl.errors import UserError, unknown
from mmrl_agents.choices import KIND
from mmrl_agents.networks.auxiliary.base import AuxiliaryLoss
from mmrl_agents.networks.auxiliary.next_step import NextStepLoss
from mmrl_agents.networks.auxiliary.reward_prediction import RewardPredictionLoss
from mmrl_agents.parts import Part

AUXILIARIES: Final[dict[str, type[AuxiliaryLoss]]] = {
    "reward_prediction": RewardPredictionLoss,
    "world_model": NextStepLoss,
}


def build_auxiliary(
    name: str,
    features: int,
    observation: spaces.Dict,
    action: spaces.Space[Any],
    args: dict[str, Any],
    *,
    encoded: int | None = None,
) -> AuxiliaryLoss:
    """The auxiliary loss of that name.

    Args:
        name: a key of :data:`AUXILIARIES`.
        features: width of what actor and critic are given.
        observation, action: spaces of one environment.
        args: ``weight`` of the loss, and what its class takes besides.
        encoded: width of the encoder's features; that of ``features``, if None.

    Raises:
        UserError: unknown name, or arguments that do not fit.
    """
    if name not in AUXILIARIES:
        raise unknown("auxiliary", name, AUXILIARIES)
    loss: Any = AUXILIARIES[name]
    width = features if loss.uses_memory or encoded is None else encoded
    try:
        built: AuxiliaryLoss = loss(width, observation, action, **args)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"auxiliary options {args} do not fit {name}: {error}") from error
    return built


@dataclass(frozen=True)
class AuxiliaryConfig:
    """Configuration of an auxiliary loss; None takes the loss's own default.

    Attributes:
        kind: reward_prediction, which predicts whether an action is rewarded; or world_model, which
            predicts the next step.
        weight: of the loss, beside the algorithm's own; 1 by default.
        hidden: width of the layer between features and predictions.
        replay_size: of reward_prediction: steps of each kind that are kept, 1024 by default.
        batch_size: of reward_prediction: steps in a minibatch, 128 by default.
        side: of world_model: rows and columns of patches in which the next image is predicted, 14
            by default.
    """

    kind: str
    weight: float | None = None
    hidden: int | None = None
    replay_size: int | None = None
    batch_size: int | None = None
    side: int | None = None


class AuxiliaryPart(Part):
    """An auxiliary loss of an on-policy agent's features."""

    Config = AuxiliaryConfig
    kinds = tuple(AUXILIARIES)

    def check(self, hyper: Any) -> None:
        """As :meth:`Part.check`."""
        if self.config.kind not in AUXILIARIES:
            raise unknown(self.key, self.config.kind, AUXILIARIES)

    def policy_kwargs(self) -> dict[str, Any]:
        """As :meth:`Part.policy_kwargs`."""
        options = asdict(self.config)
        name = options.pop(KIND)
        given = {key: value for key, value in options.items() if value is not None}
        return {"auxiliary": name, "auxiliary_args": given}
