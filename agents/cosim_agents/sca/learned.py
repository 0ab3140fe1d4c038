"""A trained policy of one kind of site as plain arrays: decides without torch, and knows what it was trained on."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from cosim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from cosim.scheduling.site import SiteState

_Policy = TypeVar("_Policy")
_FORMAT = "cosim-site-policy 1"
#: By how much a site may be beyond what was seen in training, as a share of the distance to the end of the range.
_MARGIN = 0.1
#: Up to so many multiplications OpenBLAS uses one thread. Several gain nothing for matrices as small as these, and
#: where other programs run too they wait for one another several times as long as the product takes.
_ONE_THREAD = 2**18


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Standardisation, hidden layers, a linear layer with one output; in double precision.

    Attributes
    ----------
    mean, std : ndarray of float, shape (inputs,)
        Subtracted from the inputs, divided by.
    weights : tuple of ndarray of float
        Of each layer, shape (inputs, outputs).
    biases : tuple of ndarray of float
        Of each layer, shape (outputs,).
    rectified : bool
        Hidden layers are rectified linear units, as the paper has them (Eq. 19), instead of tanh.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    weights: tuple[NDArray[np.float64], ...]
    biases: tuple[NDArray[np.float64], ...]
    rectified: bool = False

    def __call__(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return outputs, shape (...), for inputs, shape (..., inputs)."""
        rows = max(8, _ONE_THREAD // max(weight.size for weight in self.weights) // 8 * 8)
        if inputs.ndim == 2 and len(inputs) > rows:
            return np.concatenate([self(inputs[i : i + rows]) for i in range(0, len(inputs), rows)])
        hidden = standardised(inputs, self.mean, self.std)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = hidden @ weight + bias
            hidden = np.maximum(hidden, 0.0) if self.rectified else np.tanh(hidden)
        result: NDArray[np.float64] = hidden @ self.weights[-1][:, 0] + self.biases[-1][0]
        return result

    def scaled(self, factor: float) -> Network:
        """Return a network whose output is multiplied by a factor."""
        weights, biases = (*self.weights[:-1], factor * self.weights[-1]), (*self.biases[:-1], factor * self.biases[-1])
        return Network(self.mean, self.std, weights, biases, self.rectified)


def standardised(
    inputs: NDArray[np.float64], mean: NDArray[np.float64], std: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return inputs, shape (..., inputs), less their mean and over their deviation, between -5 and 5."""
    scaled: NDArray[np.float64] = (inputs - mean) / std
    return np.minimum(np.maximum(scaled, -5.0), 5.0)


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """What a policy has seen. Beyond it, it is worse than no policy: measured for other ratios of base load.

    Attributes
    ----------
    site : str
        Name of the kind of site.
    slot_h : float
        Length of its slots, h.
    power_kw : tuple of float
        Least and greatest charging power of a vehicle.
    share_low, share_high : tuple of float, length 24
        For each hour of the day the range of the vehicles' share in the energy used until the last departure; NaN where
        no vehicle was ever seen.
    """

    site: str
    slot_h: float
    power_kw: tuple[float, float]
    share_low: tuple[float, ...]
    share_high: tuple[float, ...]

    def refusal(self, state: SiteState, hour: float, share: float) -> str | None:
        """Say what is outside, or nothing if all is inside.

        Parameters
        ----------
        state : SiteState
            With at least one vehicle.
        hour : float
            Time of day, h, at least 0 and below 24.
        share : float
            As ``learned_kernels.observe`` returns it.
        """
        if abs(state.slot_h - self.slot_h) > 1e-9:
            return f"slots of {state.slot_h:g} h, trained with {self.slot_h:g} h"
        least_kw, most_kw = self.power_kw
        weakest_kw, strongest_kw = float(state.max_power_kw.min()), float(state.max_power_kw.max())
        if weakest_kw < (1.0 - _MARGIN) * least_kw or strongest_kw > (1.0 + _MARGIN) * most_kw:
            return f"charging powers outside of {least_kw:g} to {most_kw:g} kW"
        low, high = self.share_low[int(hour)], self.share_high[int(hour)]
        # A comparison with NaN is false: an hour that was never seen is outside.
        if not (1.0 - _MARGIN) * low <= share <= high + _MARGIN * (1.0 - high):
            return f"more or less energy to charge beside the base load than '{self.site}' ever had at that hour"
        return None


@dataclass(frozen=True, slots=True, eq=False)
class SitePolicy:
    """What a file holds.

    Attributes
    ----------
    kind : {"calc", "sca", "paper-calc", "paper-sca"}
        What the network's output means.
    network : Network
        From what is seen to an action.
    trained_on : TrainedOn
        Where it may be used.
    """

    kind: str
    network: Network
    trained_on: TrainedOn


class Guard:
    """Tells a controller when to leave its policy alone.

    A site that is outside of what was seen once is taken for another kind of site until it was inside for a day: at
    many hours two kinds of site cannot be told apart. Slots that begin again stand for another site.

    Parameters
    ----------
    trained_on : TrainedOn
        Where the policy may be used.
    """

    def __init__(self, trained_on: TrainedOn) -> None:
        self._trained_on, self._last_slot, self._until_slot = trained_on, -1, 0
        self._note = ""

    def refusal(self, state: SiteState, hour: float, share: float) -> str | None:
        """Say what is or was outside, or nothing; as for :meth:`TrainedOn.refusal`."""
        if state.slot < self._last_slot:
            self._until_slot = 0
        self._last_slot = state.slot
        note = self._trained_on.refusal(state, hour, share)
        if note is not None:
            self._note, self._until_slot = note, state.slot + round(24.0 / state.slot_h)
        return self._note if state.slot < self._until_slot else None


def save_site_policy(path: Path, policy: SitePolicy) -> None:
    """Write a policy as one ``.npz`` file of plain arrays.

    Parameters
    ----------
    path : Path
        Where, suffix included.
    policy : SitePolicy
        What.
    """
    network = policy.network
    arrays = {"mean": network.mean, "std": network.std}
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        arrays |= {f"weight{layer}": weight, f"bias{layer}": bias}
    kind = {"kind": policy.kind, "rectified": network.rectified}
    write_arrays(path, {"format": _FORMAT, **kind, **asdict(policy.trained_on)}, arrays)


def load_site_policy(path: Path) -> SitePolicy:
    """Read what :func:`save_site_policy` wrote.

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
    _check(path, policy.network)
    return policy


def write_arrays(path: Path, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write one ``.npz`` file of plain arrays.

    Parameters
    ----------
    path : Path
        Where, suffix included.
    description : mapping
        What JSON can hold; ``format`` says what the file is.
    arrays : mapping of str to ndarray
        None is called ``description``.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, description=np.array(json.dumps(description)), **arrays)
    path.write_bytes(buffer.getvalue())


def read_arrays(
    path: Path, form: str, make: Callable[[Mapping[str, Any], Mapping[str, NDArray[Any]]], _Policy]
) -> _Policy:
    """Read what :func:`write_arrays` wrote.

    Parameters
    ----------
    path : Path
        Where.
    form : str
        What ``format`` must say.
    make : callable
        From description and arrays to the policy. What it raises for lack of a part, or for one of a wrong kind, is
        told as damage of the file.

    Raises
    ------
    InputError
        If the file is missing, damaged or something else.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            arrays: dict[str, NDArray[Any]] = {name: archive[name] for name in archive.files}
        description = json.loads(str(arrays.pop("description")))
        _check_format(description, form)
        return make(description, arrays)
    except OSError as error:
        raise InputError(f"{path}: the policy cannot be read ({error.strerror}).") from error
    except (KeyError, TypeError, ValueError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: this is not a policy of a charging site, or it is damaged.") from error


def _check_format(description: Mapping[str, Any], form: str) -> None:
    if description["format"] != form:
        raise ValueError(description["format"])


def seen_from(description: Mapping[str, Any]) -> TrainedOn:
    """Return what a policy was trained on, from the fields of :class:`TrainedOn` in a file's description.

    Raises
    ------
    KeyError, TypeError, ValueError
        If one is missing or of a wrong kind; :func:`read_arrays` makes a sentence of it.
    """
    least_kw, most_kw = map(float, description["power_kw"])
    low, high = (tuple(map(float, description[name])) for name in ("share_low", "share_high"))
    if len(low) != 24 or len(high) != 24:
        raise ValueError(len(low))
    return TrainedOn(str(description["site"]), float(description["slot_h"]), (least_kw, most_kw), low, high)


def _from(description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> SitePolicy:
    layers = range(len(arrays) // 2 - 1)
    network = Network(
        arrays["mean"],
        arrays["std"],
        tuple(arrays[f"weight{layer}"] for layer in layers),
        tuple(arrays[f"bias{layer}"] for layer in layers),
        # Left out in files of tanh networks written before there was a choice.
        bool(description.get("rectified", False)),
    )
    return SitePolicy(str(description["kind"]), network, seen_from(description))


def _check(path: Path, network: Network) -> None:
    """See that the arrays are those of one network."""
    width = network.mean.size
    whole = bool(network.weights) and network.mean.shape == network.std.shape == (width,)
    for weight, bias in zip(network.weights, network.biases, strict=True):
        whole = whole and weight.ndim == 2 and weight.shape[0] == width and bias.shape == weight.shape[1:]
        width = bias.size
    arrays = (network.mean, network.std, *network.weights, *network.biases)
    finite = all(array.dtype == np.float64 and bool(np.isfinite(array).all()) for array in arrays)
    if not (whole and finite and width == 1):
        raise InputError(f"{path}: its arrays are not those of one network with one output.")
