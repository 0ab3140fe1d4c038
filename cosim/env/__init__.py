"""Constrained Markov decision processes over the loop, for Gymnasium.

``gymnasium.make("cosim.env:cosim/Recommendation-v0", scenario="nguyen-dupuis")`` imports this package, which registers
the environments. It loads no simulator: that happens when an environment is made. Without gymnasium the package can
still be imported, since a trained policy needs ``cosim.env.features`` only.
"""

from __future__ import annotations

from importlib.util import find_spec

#: Ids and where the environments live.
ENVIRONMENTS = {
    "cosim/Recommendation-v0": "cosim.env.recommendation:RecommendationEnv",
    "cosim/Scheduling-v0": "cosim.env.scheduling:SchedulingEnv",
}
#: Those that can play many at once, for ``gymnasium.make_vec``.
VECTOR_ENVIRONMENTS = {"cosim/Scheduling-v0": "cosim.env.scheduling_vector:SchedulingVectorEnv"}


def _register() -> None:
    if find_spec("gymnasium") is None:
        return
    import gymnasium  # noqa: PLC0415 - an extra; not everybody has it

    for name, entry_point in ENVIRONMENTS.items():
        if name not in gymnasium.registry:
            gymnasium.register(name, entry_point=entry_point, vector_entry_point=VECTOR_ENVIRONMENTS.get(name))


_register()
