"""The adapter for OmniSafe, as far as it goes without OmniSafe."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from cosim.env.omnisafe import OMNISAFE_ID, SixTupleEnv, preferred_station, register_omnisafe
from cosim.errors import InputError
from cosim.scenario import Scenario

torch = pytest.importorskip("torch")


def test_the_best_station_in_reach() -> None:
    reachable = np.array([True, False, True])
    assert preferred_station([0.1, 0.9, 0.2], reachable) == 2
    assert preferred_station([-1.0, 0.9, -1.0], reachable) == 0
    for wrong in ([0.1, 0.2], [0.1, np.nan, 0.2], 0.5):
        with pytest.raises(InputError, match="expected 3 numbers, one for each station"):
            preferred_station(wrong, reachable)


def test_without_omnisafe_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "omnisafe", None)
    with pytest.raises(InputError, match="pip install omnisafe"):
        register_omnisafe()


class CMDP(ABC):
    """The abstract methods and the access to the spaces of OmniSafe 0.5's class of this name."""

    @property
    def action_space(self) -> Any:
        return self._action_space  # type: ignore[attr-defined]

    @abstractmethod
    def step(self, action: Any) -> Any: ...

    @abstractmethod
    def reset(self, seed: int | None = None, options: Any = None) -> Any: ...

    @abstractmethod
    def set_seed(self, seed: int) -> None: ...

    @abstractmethod
    def render(self) -> Any: ...

    @abstractmethod
    def close(self) -> None: ...


def test_tensors_and_six_values(short_scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[type] = []
    core: Any = ModuleType("omnisafe.envs.core")
    core.CMDP, core.env_register = CMDP, registered.append
    for name in ("omnisafe", "omnisafe.envs"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "omnisafe.envs.core", core)
    assert register_omnisafe(scenario=short_scenario) == OMNISAFE_ID
    (kind,) = registered
    assert issubclass(kind, CMDP)
    with pytest.raises(InputError, match="found 2 environments"):
        kind(OMNISAFE_ID, num_envs=2)
    env: Any = kind(OMNISAFE_ID, num_envs=1, device=torch.device("cpu"), reward="ttt")
    env.set_seed(5)
    observation, info = env.reset()
    assert info["seed"] == 5
    assert env.reset()[1]["seed"] != 5
    env.reset(seed=5)
    observation, *numbers, info = env.step(torch.tensor([0.0, 0.0, 0.3, -1.0, 0.2]))
    env.close()
    plain = SixTupleEnv(scenario=short_scenario, reward="ttt")
    assert plain.action_space == env.action_space
    plain.reset(seed=5)
    expected, *same, _ = plain.step([0, 0, 1, 0, 0])
    plain.close()
    assert observation.numpy().tolist() == expected.tolist()
    assert [float(number) for number in numbers] == pytest.approx([float(number) for number in same])
    assert same[1] == info["cost"] > 0
