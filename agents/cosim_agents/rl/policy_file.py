"""Trained policies on disk: ``NAME.npz`` with arrays and ``NAME.json`` that says what they are. No pickle, no torch."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.errors import InputError
from cosim_agents.rl.normalise import Standardiser
from cosim_agents.rl.policy import PerceptronPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_FORMAT = "cosim-policy"
_FORMAT_VERSION = 2


@dataclass(frozen=True, slots=True)
class PolicyInfo:
    """Where a policy comes from and what it fits.

    Attributes
    ----------
    algorithm, preset, scenario : str
        What was trained, how, on what.
    feature_names : tuple of str
        Of each entry of the observation.
    station_ids : tuple of str
        Of each action.
    extra_obs : tuple of str
        Blocks of the observation beyond the paper's; ``cosim.env.features``.
    versions : mapping of str to str
        Of the software it was trained with.
    training : mapping
        Anything worth knowing: episodes, seed, hyper-parameters, results. Plain JSON values.
    """

    algorithm: str
    preset: str
    scenario: str
    feature_names: tuple[str, ...]
    station_ids: tuple[str, ...]
    extra_obs: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class SavedPolicy:
    """What a policy file holds.

    Attributes
    ----------
    policy : PerceptronPolicy
        Decides.
    info : PolicyInfo
        What it is.
    extras : mapping of str to ndarray
        Arrays of a companion, such as the predictor of OP-SRL.
    """

    policy: PerceptronPolicy
    info: PolicyInfo
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def save_policy(path: Path, saved: SavedPolicy) -> None:
    """Write ``path`` with the suffixes ``.npz`` and ``.json``.

    Parameters
    ----------
    path : Path
        Where; a suffix is replaced.
    saved : SavedPolicy
        What.
    """
    policy = saved.policy
    arrays = policy.arrays() | {f"extra.{name}": array for name, array in saved.extras.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    content = buffer.getvalue()
    clip = policy.standardiser.clip
    description = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        **asdict(saved.info),
        "layers": len(policy.weights),
        "kind": policy.kind,
        "exploration": policy.exploration,
        # JSON knows no infinity.
        "observation_clip": clip if np.isfinite(clip) else None,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    path.with_suffix(".npz").write_bytes(content)
    path.with_suffix(".json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def load_policy(
    path: Path, *, feature_names: Sequence[str] | None = None, station_ids: Sequence[str] | None = None
) -> SavedPolicy:
    """Read a policy and check that it fits.

    Parameters
    ----------
    path : Path
        Of either of the two files, or without suffix.
    feature_names : sequence of str, optional
        Of the observations that it is to decide on.
    station_ids : sequence of str, optional
        That it is to choose from.

    Raises
    ------
    InputError
        If a file is missing, damaged or something else, or the policy was trained for other observations or stations.
    """
    if not path.with_suffix(".npz").exists():
        # The file that was named, before the one beside it.
        raise InputError(f"{path.with_suffix('.npz')}: the policy cannot be read (no such file).")
    description = _read_description(path.with_suffix(".json"))
    try:
        info = PolicyInfo(
            algorithm=str(description["algorithm"]),
            preset=str(description["preset"]),
            scenario=str(description["scenario"]),
            feature_names=tuple(map(str, description["feature_names"])),
            station_ids=tuple(map(str, description["station_ids"])),
            extra_obs=tuple(map(str, description["extra_obs"])),
            versions=dict(description["versions"]),
            training=dict(description["training"]),
        )
        arrays = _read_arrays(path.with_suffix(".npz"), str(description["sha256"]))
        policy = _policy(description, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path.with_suffix('.json')}: this is not a whole description of a policy.") from error
    _check_shapes(path.with_suffix(".npz"), policy, info)
    _check_fit(path.with_suffix(".json"), info, feature_names, station_ids)
    extras = {name.removeprefix("extra."): array for name, array in arrays.items() if name.startswith("extra.")}
    return SavedPolicy(policy, info, extras)


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: the policy cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise InputError(f"{path}: this is not a policy's description but something else, or damaged.") from error
    if not isinstance(description, dict) or description.get("format") != _FORMAT:
        raise InputError(f"{path}: this is not the description of a policy of this project.")
    if description.get("format_version") != _FORMAT_VERSION:
        raise InputError(
            f"{path}: the policy has format {description.get('format_version')!r}, "
            f"but this version reads format {_FORMAT_VERSION}."
        )
    return description


def _read_arrays(path: Path, sha256: str) -> dict[str, NDArray[Any]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the policy cannot be read ({error.strerror}).") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(f"{path}: the file is damaged, or belongs to another description than the one beside it.")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        raise InputError(f"{path}: this is not an archive of plain arrays.") from error


def _policy(description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> PerceptronPolicy:
    clip = description["observation_clip"]
    kind = description["kind"]
    if kind not in {"softmax", "greedy"}:
        raise ValueError(kind)
    layers = range(int(description["layers"]))
    return PerceptronPolicy(
        standardiser=Standardiser(arrays["mean"], arrays["std"], np.inf if clip is None else float(clip)),
        weights=tuple(arrays[f"weight{layer}"] for layer in layers),
        biases=tuple(arrays[f"bias{layer}"] for layer in layers),
        kind=kind,
        exploration=float(description["exploration"]),
        layout=arrays.get("layout"),
        direct=arrays.get("direct"),
    )


def _check_shapes(path: Path, policy: PerceptronPolicy, info: PolicyInfo) -> None:
    """See that the arrays are those of one perceptron for the features and stations that the description names."""
    n_inputs, n_outputs = len(info.feature_names), len(info.station_ids)
    whole = policy.standardiser.mean.shape == policy.standardiser.std.shape == (n_inputs,)
    layout = policy.layout
    whole = whole and (layout is None) == (policy.direct is None)
    if layout is not None and policy.direct is not None:
        # Behind the observation there are a one and a zero.
        whole = whole and layout.dtype == np.int64 and layout.ndim == 2 and len(layout) == n_outputs
        whole = whole and layout.size > 0 and bool(((layout >= 0) & (layout < n_inputs + 2)).all())
        n_inputs, n_outputs = layout.shape[-1] if layout.ndim else 0, 1
        whole = whole and policy.direct.shape == (n_inputs,)
    for weight, bias in zip(policy.weights, policy.biases, strict=True):
        whole = whole and weight.ndim == 2 and weight.shape[0] == n_inputs and bias.shape == weight.shape[1:]
        n_inputs = bias.size
    floats = (array for name, array in policy.arrays().items() if name != "layout")
    finite = all(array.dtype == np.float32 and bool(np.isfinite(array).all()) for array in floats)
    if not (whole and finite and policy.weights and n_inputs == n_outputs):
        raise InputError(
            f"{path}: its arrays are not those of a policy for {len(info.feature_names)} observed numbers and "
            f"{len(info.station_ids)} stations, as the description beside it says."
        )


def _check_fit(
    path: Path, info: PolicyInfo, feature_names: Sequence[str] | None, station_ids: Sequence[str] | None
) -> None:
    origin = f"{path}: this policy was trained on '{info.scenario}'"
    if station_ids is not None and len(station_ids) != len(info.station_ids):
        raise InputError(
            f"{origin} with {len(info.station_ids)} stations and does not fit {len(station_ids)} stations."
        )
    if feature_names is not None and len(feature_names) != len(info.feature_names):
        raise InputError(
            f"{origin} with {len(info.feature_names)} observed numbers and does not fit {len(feature_names)}: "
            "the road network, the stations or the observation's options differ."
        )
    for kind, trained, given in (
        ("station", info.station_ids, station_ids),
        ("observed number", info.feature_names, feature_names),
    ):
        for number, (ours, theirs) in enumerate(zip(trained, given or (), strict=False)):
            if ours != theirs:
                raise InputError(f"{origin}, where {kind} {number + 1} is '{ours}', but here it is '{theirs}'.")
