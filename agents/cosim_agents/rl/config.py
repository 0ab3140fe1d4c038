"""All hyper-parameters of all algorithms in one place, and the presets."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from cosim.errors import InputError, nearest_name

LagrangeUpdate = Literal["adam", "sgd", "pid"]
CostAdvantage = Literal["standardise", "center"]
Network = Literal["perceptron", "stationwise"]
Credit = Literal["step", "vehicle"]


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
    network: Network = "perceptron"
    """Whether the actor (of DQN: the action values) is one perceptron from the whole observation to all stations, or a
    smaller one that gives each station its output from what concerns it (`stationwise_layout`); critics see all."""
    actor_hidden: tuple[int, ...] | None = None
    """Widths of the actor's tanh layers where they are not `hidden`; none at all make a linear actor."""
    prior: float = 0.0
    """How much a stationwise actor prefers, before it has learnt anything, a station for every 10 min that it is
    expected to cost less, to the vehicle and to all others (the observed block "estimates"). The preference is learnt
    on like every weight (residual policy learning, Silver et al. 2018). 0: the actor begins close to uniform."""
    extra_obs: tuple[str, ...] = ()
    """Blocks observed beyond the paper's state; ``cosim.env.features``."""
    credit: Credit = "step"
    """What a decision is rewarded with: the reward of its step (Eq. 25-26), or minus its own vehicle's delay in units
    of 10 min, known when the episode is over. The delays sum to the EVs' part of TTT but for what no decision changes;
    they are not blurred by how far the vehicles have to go, nor by how long those of earlier decisions still take."""

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
        if any(width < 1 for width in self.actor_hidden or ()):
            faults.append(_sentence("actor_hidden", self, "positive widths, or none for a linear actor"))
        for name, choices in (
            ("lagrange_update", get_args(LagrangeUpdate)),
            ("cost_advantage", get_args(CostAdvantage)),
            ("network", get_args(Network)),
            ("credit", get_args(Credit)),
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
_NOT_NEGATIVE = ("critic_l2", "entropy", "lagrange_lr", "lagrange_init", "lagrange_max", "penalty", "prior")

_TUNED: Final = Hyperparameters(
    network="stationwise",
    actor_hidden=(),
    extra_obs=("estimates",),
    prior=20.0,
    credit="vehicle",
    learning_rate=5e-3,
    critic_learning_rate=1e-3,
    passes=40,
    batch_size=250,
    gamma=0.99,
    gae_lambda=0.98,
    cost_gamma=0.99,
    cost_gae_lambda=0.98,
    normalise_returns=True,
    stop_critics=False,
    cost_limit="auto",
)

PRESETS: Final[dict[str, Hyperparameters]] = {
    # Tables A1 and A2, case A.
    "paper": Hyperparameters(),
    # Table A1, case B.
    "paper-large": Hyperparameters(learning_rate=1e-4, critic_learning_rate=1e-4, gamma=0.99, cost_gamma=0.99),
    # An actor of few weights that begins with what is known, the expected times, and learns from unbiased returns of
    # the next hundred vehicles or so: the signal of a decision is so weak that larger networks learn the noise.
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
