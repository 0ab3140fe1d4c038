"""Time of one decision of each shipped policy, in processor time, medians over the decisions of one run.

Run with: python benchmarks/decision.py [RECOMMENDER...]. *policy* is from the observation to the station; *forecast*
what a fresh forecast costs, once per simulated minute; *whole* everything that the simulation waits for: the
observation with its estimates, the forecast where there is one, and the policy.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import numpy as np
from common import default_scenario

import cosim
from cosim import registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SHIPPED = ("reinforce", "actor-critic", "ppo", "ppo-penalty", "ppo-lag", "op-srl", "dqn")


class Timed:
    """A recommender that notes how long each answer takes."""

    def __init__(self, name: str) -> None:
        self._inner: Any = registry.instantiate("recommender", name, {}, where="benchmark")
        self.whole_s: list[float] = []
        self.parts_s: dict[str, list[float]] = {"policy": [], "forecast": []}

    def reset(self, system: Any, rng: np.random.Generator) -> None:
        """Pass on, and watch the parts."""
        self._inner.reset(system, rng)
        policy = self._inner._saved.policy  # noqa: SLF001 - a benchmark looks inside
        self._inner._saved = _Watched(self._inner._saved, policy, self.parts_s["policy"])  # noqa: SLF001
        if self._inner._forecast is not None:  # noqa: SLF001
            forecaster = self._inner._forecast._forecaster  # noqa: SLF001
            forecaster_call = timed(forecaster.forecast, self.parts_s["forecast"])
            self._inner._forecast._forecaster = type("Forecaster", (), {"forecast": staticmethod(forecaster_call)})()  # noqa: SLF001

    def recommend(self, request: Any, view: Any) -> int:
        """Pass on, timed."""
        return timed(self._inner.recommend, self.whole_s)(request, view)


class _Watched:
    """A saved policy whose decisions are timed."""

    def __init__(self, saved: Any, policy: Any, times_s: list[float]) -> None:
        self.info, self.extras = saved.info, saved.extras
        self.policy = type("Policy", (), {"best": staticmethod(timed(policy.best, times_s))})()


def timed(function: Callable[..., Any], times_s: list[float]) -> Callable[..., Any]:
    """Return the function, noting the processor time of each call."""

    def call(*arguments: Any) -> Any:
        began = time.process_time()
        result = function(*arguments)
        times_s.append(time.process_time() - began)
        return result

    return call


def main(names: tuple[str, ...]) -> None:
    """Print the table in Markdown."""
    print("| recommender | policy [ms] | forecast [ms] | whole, median [ms] | whole, mean [ms] |")
    print("|---|---|---|---|---|")
    for name in names:
        recommender = Timed(name)
        cosim.run(default_scenario(), recommender=recommender)
        cells = [f"{1e3 * np.median(times):.3f}" if times else "" for times in recommender.parts_s.values()]
        whole = 1e3 * np.array(recommender.whole_s)
        print(f"| `{name}` | {' | '.join(cells)} | {np.median(whole):.3f} | {whole.mean():.3f} |")


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or SHIPPED)
