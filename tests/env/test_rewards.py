"""Rewards as the steps end against those of the finished run, on made-up trips."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cosim.env.rewards import StepRewards
from cosim.metrics import decision_rewards, total_travel_time_s
from cosim.tables.stations import RewardTable


def online(
    reward: RewardTable, depart_s: NDArray[np.int64], arrive_s: NDArray[np.float64], requests_s: list[int], end_s: float
) -> list[float]:
    """At the instant t, arrivals before t are known, as the loop notes them."""

    def known(time_s: float) -> list[float]:
        return [value if value < time_s else math.nan for value in arrive_s]

    rewards = StepRewards(reward, depart_s)
    rewards.begin(requests_s[0], known(requests_s[0]))
    steps = [rewards.end_step(time_s, known(time_s), last=False) for time_s in requests_s[1:]]
    return [*steps, rewards.end_step(end_s, arrive_s.tolist(), last=True)]


@given(st.data())
def test_the_same_as_in_hindsight(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    depart_s = np.sort(data.draw(st.lists(st.integers(0, 40), min_size=count, max_size=count)))
    durations_s = data.draw(st.lists(st.integers(1, 60), min_size=count, max_size=count))
    arrive_s = (depart_s + np.array(durations_s)).astype(np.float64)
    requests_s = sorted(data.draw(st.lists(st.sampled_from(depart_s.tolist()), min_size=1, max_size=6)))
    end_s = arrive_s.max()
    trips = pd.DataFrame({"depart_s": depart_s.astype(np.float64), "arrive_s": arrive_s})
    for kind in ("paper", "ttt"):
        reward = RewardTable(kind=kind, scale=0.3, maximum=7.0, last_weight_per_s=0.125)
        steps = online(reward, depart_s, arrive_s, requests_s, end_s)
        hindsight = decision_rewards(trips, np.array(requests_s, dtype=np.float64), end_s, reward)
        assert steps == hindsight.tolist()
        if kind == "ttt":
            assert sum(steps) == -total_travel_time_s(trips, end_s)


def test_a_step_without_duration_counts_who_is_there() -> None:
    reward = RewardTable(scale=1.0, maximum=0.0)
    depart_s, arrive_s = np.array([0, 1, 5, 5, 9]), np.array([4.0, 5.0, 20.0, 20.0, 20.0])
    steps = online(reward, depart_s, arrive_s, [5, 5], 20.0)
    # At second 5 the first is gone, the second arrives in this second, two depart.
    assert steps[0] == -3
    assert steps[1] == pytest.approx(-(2 * 15 + 11) / 600)
