"""Two recommenders on the same twenty minutes of demand: where did the vehicles go, how long did it take."""

from __future__ import annotations

import cosim

short = {"simulation.warmup_s": 300, "simulation.control_s": 1200}
for name in ("uniform", "merit-order"):
    scenario = cosim.load_scenario("nguyen-dupuis", recommender=name, **short)
    result = cosim.run(scenario, seed=1)
    metrics = result.metrics
    print(
        f"{name}: TTT {metrics['ttt_s']:,.0f} s, waiting + charging {metrics['wct_min']:.1f} min, "
        f"lowest voltage {metrics['min_voltage_pu']:.3f} pu"
    )
    by_station = result.trips.groupby("station").agg(
        vehicles=("vehicle", "size"), charging_s=("charging_s", "mean"), energy_kwh=("energy_kwh", "sum")
    )
    print(by_station.round(1), end="\n\n")
