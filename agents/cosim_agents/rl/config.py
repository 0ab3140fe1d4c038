"""All hyper-parameters of all algorithms in one place, and the presets."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from cosim.errors import InputError, nearest_name

LagrangeUpdate = Literal["adam", "sgd", "pid"]
CostAdvantage = Literal["standardise", "center"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """What a learner may be told. Defaults are the ``paper`` preset (Table A1 of OP-SRL, case A).

    What the paper leaves out is taken from OmniSafe 0.5's ``PPOLag``, on which its Table A1 is built.
    """

    epochs: int = 200
    """Updates of the policy; the schedules of learning rate and exploration end there (Table A1)."""
    episodes_per_epoch: int = 5
    """Episodes collected with one policy before it is updated (Table A1)."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the tanh layers of every network (Table A1, its two swapped rows put right)."""

    learning_rate: float = 3e-4
    """Adam's step for the actor (Table A1, case A)."""
    critic_learning_rate: float = 3e-4
    """Adam's step for the critics, and for the action values of DQN; does not decay."""
    decay_learning_rate: bool = True
    """Whether the actor's learning rate falls linearly to zero over `epochs`."""
    max_grad_norm: float = 40.0
    """Bound of the gradient's length, per network."""
    critic_l2: float = 1e-3
    """Weight of the critics' squared weights in their loss."""
    batch_size: int = 64
    """Decisions per minibatch (Table A1)."""

    gamma: float = 0.97
    """Discount of the reward per decision (Table A1, case A)."""
    gae_lambda: float = 0.95
    """Trade-off of bias and variance of the reward advantage (eta^r of Eq. 37, Table A1)."""
    cost_gamma: float = 0.97
    """Discount of the cost per decision (Table A1, case A)."""
    cost_gae_lambda: float = 0.95
    """Trade-off of bias and variance of the cost advantage (eta^c of Eq. 37, Table A1)."""

    clip: float = 0.2
    """How far the probability ratio may leave 1 before PPO stops pushing it (epsilon of Eq. 35)."""
    passes: int = 40
    """Most passes of PPO through an epoch's decisions (Table A1)."""
    target_kl: float = 0.02
    """Passes end once the mean KL divergence from the policy at the start exceeds this; ``inf`` never ends them."""
    stop_critics: bool = True
    """Whether the critics stop with the policy, as OmniSafe has it, or make all `passes`."""
    entropy: float = 0.0
    """Weight of the policy's entropy in the objective."""
    cost_advantage: CostAdvantage = "standardise"
    """Whether A_c is divided by its standard deviation (so that lambda has no unit) or only centred (OmniSafe)."""

    normalise_observations: bool = True
    """Whether observations are standardised by their running mean and standard deviation."""
    observation_clip: float = 5.0
    """Bound of a standardised observation."""
    normalise_returns: bool = False
    """Whether critics predict returns standardised by their running mean and standard deviation."""

    lagrange_update: LagrangeUpdate = "adam"
    """Rule of the multiplier."""
    lagrange_lr: float = 0.035
    """Step of the multiplier, ``adam`` and ``sgd`` (Table A1)."""
    lagrange_init: float = 0.001
    """Multiplier before the first update."""
    lagrange_max: float = math.inf
    """Upper bound of the multiplier."""
    pid_gains: tuple[float, float, float] = (0.1, 0.01, 0.01)
    """Proportional, integral and derivative gain of ``pid`` (Stooke et al. 2020)."""
    cost_limit: float | Literal["auto"] = 0.0
    """Limit b of the mean cost of an episode; ``auto`` has to be replaced by a number before a learner is made."""
    lagrange_division: bool = True
    """Whether the advantage A_r - lambda A_c is divided by 1 + lambda."""
    penalty: float = 1.0
    """Weight of the normalised cost in the reward of ``ppo-penalty`` (Eq. 44)."""

    replay_size: int = 60_000
    """Observations that DQN remembers."""
    replay_start: int = 1_000
    """Decisions remembered before DQN learns."""
    target_interval: int = 1_000
    """Gradient steps between two copies of the action values to the target network."""
    updates_per_decision: float = 1.0
    """Gradient steps of DQN for each decision collected."""
    exploration_end: float = 0.03
    """Share of DQN's random decisions once exploration has fallen; it begins at 1."""
    exploration_share: float = 0.3
    """Share of `epochs` over which exploration falls linearly."""

    def __post_init__(self) -> None:
        """Report every value that cannot be used."""
        faults = [_sentence(name, self, "at least 1") for name in _COUNTS if getattr(self, name) < 1]
        faults += [_sentence(name, self, "between 0 and 1") for name in _SHARES if not 0 <= getattr(self, name) <= 1]
        faults += [_sentence(name, self, "above 0") for name in _POSITIVE if not getattr(self, name) > 0]
        faults += [_sentence(name, self, "0 or above") for name in _NOT_NEGATIVE if not getattr(self, name) >= 0]
        if not self.hidden or min(self.hidden) < 1:
            faults.append(_sentence("hidden", self, "one or more positive widths"))
        for name, choices in (
            ("lagrange_update", get_args(LagrangeUpdate)),
            ("cost_advantage", get_args(CostAdvantage)),
        ):
            if getattr(self, name) not in choices:
                faults.append(f"Hyper-parameter {name}: {nearest_name(getattr(self, name), choices)}.")
        if self.cost_limit != "auto" and not (
            isinstance(self.cost_limit, int | float) and math.isfinite(self.cost_limit)
        ):
            faults.append(_sentence("cost_limit", self, "a finite number or 'auto'"))
        if faults:
            raise InputError(faults)


_COUNTS = ("epochs", "episodes_per_epoch", "batch_size", "passes", "replay_size", "replay_start", "target_interval")
_SHARES = ("gamma", "gae_lambda", "cost_gamma", "cost_gae_lambda", "exploration_end", "exploration_share")
_POSITIVE = (
    "learning_rate", "critic_learning_rate", "max_grad_norm", "clip", "target_kl", "observation_clip",
    "updates_per_decision",
)  # fmt: skip
_NOT_NEGATIVE = ("critic_l2", "entropy", "lagrange_lr", "lagrange_init", "lagrange_max", "penalty")

_TUNED: Final = Hyperparameters(
    gamma=0.997,
    gae_lambda=0.97,
    cost_gamma=0.997,
    cost_gae_lambda=0.97,
    normalise_returns=True,
    stop_critics=False,
    cost_limit="auto",
)

PRESETS: Final[dict[str, Hyperparameters]] = {
    # Tables A1 and A2, case A.
    "paper": Hyperparameters(),
    # Table A1, case B.
    "paper-large": Hyperparameters(learning_rate=1e-4, critic_learning_rate=1e-4, gamma=0.99, cost_gamma=0.99),
    # Credit for about as long as a vehicle takes to be charged.
    "tuned": _TUNED,
}


def preset(name: str, **changes: Any) -> Hyperparameters:
    """Return a preset with some values changed.

    Parameters
    ----------
    name : str
        One of `PRESETS`.
    **changes
        Values of fields of `Hyperparameters`.

    Raises
    ------
    InputError
        If the preset, a field or a value is unknown.
    """
    if name not in PRESETS:
        raise InputError(f"There is no preset '{name}': {nearest_name(name, PRESETS)}.")
    fields = {field.name for field in dataclasses.fields(Hyperparameters)}
    unknown = [
        f"There is no hyper-parameter '{key}': {nearest_name(key, fields)}." for key in changes if key not in fields
    ]
    if unknown:
        raise InputError(unknown)
    return dataclasses.replace(PRESETS[name], **changes)


def _sentence(name: str, config: Hyperparameters, allowed: str) -> str:
    return f"Hyper-parameter {name} is {getattr(config, name)!r} but has to be {allowed}."
