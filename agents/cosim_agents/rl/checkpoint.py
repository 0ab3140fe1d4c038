"""Putting a learner's state aside and taking it up again, without pickled code."""

from __future__ import annotations

import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cosim.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

#: Marks a tensor that was an array.
_ARRAY = "numpy array"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state of tensors, arrays, numbers, text, and lists and dicts of these.

    The old file stays whole until the new one is: an interruption loses at most one checkpoint.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    torch.save(_tensors(state), unfinished)
    unfinished.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; what goes in comes out.

    Raises
    ------
    InputError
        If there is no such file or it is damaged or something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: this is not a whole checkpoint of a training.") from error
    if not isinstance(state, dict):
        raise InputError(f"{path}: this is not a whole checkpoint of a training.")
    return {key: _arrays(item) for key, item in state.items()}


def _tensors(value: Any) -> Any:
    """Pack every array into a tensor: torch reads those without unpickling anything."""
    if isinstance(value, np.ndarray):
        return {_ARRAY: torch.from_numpy(np.array(value))}
    if isinstance(value, dict):
        return {key: _tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_tensors(item) for item in value]
    return value


def _arrays(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_ARRAY}:
            return value[_ARRAY].numpy()
        return {key: _arrays(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_arrays(item) for item in value]
    return value
