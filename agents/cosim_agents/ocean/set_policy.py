"""OCEAN's charging policy: one small network, shared by all vehicles, that chooses inside the safe interval.

A power is ``low + sigmoid(f(x, g)) (high - low)``. The interval holds exactly the powers that leave the target within
reach (Eq. 27 in closed form, with charging at full power up to the target as the safe baseline), so that no weights can
leave a vehicle short. ``x`` describes the vehicle and ``g`` the station; sums over the vehicles are per pile, so that
the same weights serve stations of any size, and the order of the vehicles does not matter.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.errors import InputError
from cosim_agents.ocean.usual_load import USUAL_FEATURES, UsualLoad
from cosim_agents.sca.learned import Network, read_arrays, write_arrays
from cosim_agents.sca.online import rolling_optimum

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from cosim.scheduling.site import SiteState

_FORMAT = "cosim-ocean-policy 1"
#: What is committed to vehicles that stay longer than this is a feature each, h.
AHEAD_H = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
#: Features of the vehicle and of the station: those that depend on what was charged so far, and those that do not.
MOVING_OWN, FIXED_OWN, MOVING_STATION, FIXED_STATION = 6, 2 + USUAL_FEATURES, 4 + len(AHEAD_H), 6
FEATURES = MOVING_OWN + FIXED_OWN + MOVING_STATION + FIXED_STATION
#: A vehicle counts as one that needs energy from this on, kW times slots; with less it counts in part, so that those
#: who are all but done do not count.
PRESENT_KW = 1.0
#: By how much a station may be beyond what was seen in training.
_MARGIN = 0.1


@dataclass(frozen=True, slots=True)
class SeenInTraining:
    """Stations that a policy has seen; elsewhere it is not used.

    Attributes
    ----------
    name : str
        What to call them.
    piles : int
        How many piles they had.
    slot_h, start_h : float
        Length of a slot; time of day at which slot 0 began, h.
    power_kw : tuple of float
        Least and greatest charging power of a vehicle.
    """

    name: str
    piles: int
    slot_h: float
    start_h: float
    power_kw: tuple[float, float]

    def refusal(self, state: SiteState, piles: int) -> str | None:
        """Say what is outside, or nothing if all is inside.

        Parameters
        ----------
        state : SiteState
            With at least one vehicle.
        piles : int
            Of the station at hand.
        """
        if abs(state.slot_h - self.slot_h) > 1e-9:
            return f"slots of {state.slot_h:g} h, trained with {self.slot_h:g} h"
        least_kw, most_kw = self.power_kw
        powers_kw = state.max_power_kw
        if powers_kw.min() < (1.0 - _MARGIN) * least_kw or powers_kw.max() > (1.0 + _MARGIN) * most_kw:
            return f"charging powers outside of {least_kw:g} to {most_kw:g} kW"
        if len(state) > piles:
            return f"more vehicles than the {piles} piles"
        if state.base_kw.any():
            return "a load beside the vehicles, trained without"
        return None


@dataclass(frozen=True, slots=True, eq=False)
class SetPolicy:
    """What a file holds.

    Attributes
    ----------
    network : Network
        From the features of a vehicle and its station to one number.
    usual : UsualLoad
        Of such a station; slot 0 begins at ``seen.start_h``.
    seen : SeenInTraining
        Where it may be used.
    """

    network: Network
    usual: UsualLoad
    seen: SeenInTraining


class Ocean:
    """Charges as a trained set policy says; as the optimum for the vehicles present (OA) where it is lost.

    Parameters
    ----------
    policy : SetPolicy
        What to do.
    piles : int, optional
        Of the station at hand; as many as in training if left out.
    start_h : float, optional
        Time of day at which slot 0 begins, h; as in training if left out.

    Attributes
    ----------
    notes : Counter of str
        Why OA decided, and how often.
    """

    def __init__(self, policy: SetPolicy, *, piles: int | None = None, start_h: float | None = None) -> None:
        seen = policy.seen
        self._seen, self._piles = seen, seen.piles if piles is None else piles
        # From the station's slots to those of the days it was trained on.
        self._shift = 0 if start_h is None else round((start_h - seen.start_h) / seen.slot_h)
        self._policy = policy
        self.notes: Counter[str] = Counter()

    def __call__(self, state: SiteState) -> NDArray[np.float64]:
        """Decide.

        Parameters
        ----------
        state : SiteState
            Now.

        Returns
        -------
        ndarray of float, shape (n,)
            Powers within the safe interval; vehicles with the same data get the same.
        """
        if not len(state):
            return np.zeros(0)
        note = self._seen.refusal(state, self._piles)
        if note is not None:
            self.notes[note] += 1
            return rolling_optimum(state).power_kw
        inputs, low_kw, high_kw = describe(state, self._policy, state.slot + self._shift, self._piles)
        # Far from 0 the logistic function is 0 or 1 anyway, and its exponential must not overflow.
        share = 1.0 / (1.0 + np.exp(-np.clip(self._policy.network(inputs), -50.0, 50.0)))
        return np.minimum(high_kw, np.maximum(low_kw, low_kw + share * (high_kw - low_kw)))


def describe(
    state: SiteState, policy: SetPolicy, slot: int, piles: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return what the network sees of each vehicle, and the safe interval.

    Parameters
    ----------
    state : SiteState
        With at least one vehicle.
    policy : SetPolicy
        Whose network.
    slot : int
        Now, counted from the time of day at which the policy's days begin.
    piles : int
        Of the station.

    Returns
    -------
    inputs : ndarray of float, shape (n, FEATURES)
        Powers in kW, what is missing in kW times slots, logarithms of slots; the network standardises them.
    low_kw, high_kw : ndarray of float, shape (n,)
        The interval: ``low = max(0, E - P (n - 1) dt) / dt`` and ``high = min(P, E / dt)``, with n slots left.
    """
    cap_kw, left = state.max_power_kw, state.slots_left.astype(np.float64)
    need_kw = state.remaining_kwh / state.slot_h
    high_kw = np.minimum(cap_kw, need_kw)
    low_kw = np.minimum(high_kw, np.maximum(0.0, need_kw - cap_kw * (left - 1.0)))
    rate_kw = np.minimum(cap_kw, need_kw / left)
    inputs = np.empty((len(state), FEATURES))
    # As in set_training.TorchDays.
    for column, values in enumerate((need_kw, low_kw, high_kw, rate_kw, rate_kw / cap_kw)):
        inputs[:, column] = values
    inputs[:, 5] = np.log1p(np.maximum(0.0, left - need_kw / cap_kw))
    inputs[:, 6], inputs[:, 7] = cap_kw, np.log1p(left)
    inputs[:, 8 : MOVING_OWN + FIXED_OWN] = policy.usual.of_windows(slot, state.slots_left)
    present = np.minimum(need_kw, PRESENT_KW).sum()
    ahead = np.array(AHEAD_H) / state.slot_h + 1e-9
    sums = (rate_kw.sum(), *(rate_kw @ (left[:, None] > ahead)), low_kw.sum(), high_kw.sum(), present)
    # As if the station had as many piles as in training.
    inputs[:, MOVING_OWN + FIXED_OWN : -FIXED_STATION] = np.array(sums) * (policy.seen.piles / piles)
    inputs[:, -FIXED_STATION:] = clock(policy.seen.start_h + slot * state.slot_h)
    return inputs, low_kw, high_kw


def clock(hour: float) -> list[float]:
    """Return the time of day as three waves: sine and cosine once, twice and three times a day."""
    angle = 2.0 * math.pi * hour / 24.0
    return [wave(k * angle) for k in (1, 2, 3) for wave in (math.sin, math.cos)]


def save_ocean(path: Path, policy: SetPolicy) -> None:
    """Write a policy as one ``.npz`` file of plain arrays.

    Parameters
    ----------
    path : Path
        Where, suffix included.
    policy : SetPolicy
        What.
    """
    network = policy.network
    arrays = {"mean": network.mean, "std": network.std, "usual": policy.usual.load_kw}
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        arrays |= {f"weight{layer}": weight, f"bias{layer}": bias}
    write_arrays(path, {"format": _FORMAT, **asdict(policy.seen)}, arrays)


def load_ocean(path: Path) -> SetPolicy:
    """Read what :func:`save_ocean` wrote.

    Parameters
    ----------
    path : Path
        Where.

    Raises
    ------
    InputError
        If the file is missing, damaged or something else.
    """
    policy = read_arrays(path, _FORMAT, _from)
    network, width = policy.network, FEATURES
    whole = network.mean.shape == network.std.shape == (width,) and bool(network.weights)
    for weight, bias in zip(network.weights, network.biases, strict=True):
        whole = whole and weight.ndim == 2 and weight.shape[0] == width and bias.shape == weight.shape[1:]
        width = bias.size
    arrays = (policy.usual.load_kw, network.mean, network.std, *network.weights, *network.biases)
    # A usual load of another length would be that of other hours.
    whole = whole and abs(len(policy.usual.load_kw) * policy.seen.slot_h - 24.0) < 1e-6 and policy.seen.piles > 0
    finite = all(array.dtype == np.float64 and bool(np.isfinite(array).all()) for array in arrays)
    if not (whole and finite and width == 1):
        raise InputError(f"{path}: its arrays are not those of one network with {FEATURES} inputs and one output.")
    return policy


def _from(description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> SetPolicy:
    layers = range((len(arrays) - 3) // 2)
    network = Network(
        arrays["mean"],
        arrays["std"],
        tuple(arrays[f"weight{layer}"] for layer in layers),
        tuple(arrays[f"bias{layer}"] for layer in layers),
    )
    least_kw, most_kw = map(float, description["power_kw"])
    seen = SeenInTraining(
        str(description["name"]),
        int(description["piles"]),
        float(description["slot_h"]),
        float(description["start_h"]),
        (least_kw, most_kw),
    )
    return SetPolicy(network, UsualLoad.of(arrays["usual"]), seen)
