"""What the page of a run shows, in twenty lines of Python: headline numbers, queues, voltages, the fullest roads."""

from __future__ import annotations

import argparse

from cosim.results import read_result

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", help="a run folder, such as python -m cosim run has printed")
result = read_result(parser.parse_args().folder)

for name, value in result.metrics.items():
    print(f"{name:<22} {value:,.3f}")
stations = result.stations.groupby("station", sort=False)
print("\nlongest queue, most vehicles and highest load (kW) at each station")
print(stations[["queued", "charging", "power_kw"]].max().round(1))
print("\nmean waiting and charging times (s) and energy (kWh) of who was charged there")
charged = result.trips[result.trips["plug_out_s"].notna()]
print(charged.groupby("station")[["waiting_s", "charging_s", "energy_kwh"]].mean().round(1))
envelope = result.buses.groupby("time_s")["vm_pu"].agg(["min", "mean", "max"])
worst_s = envelope["min"].idxmin()
print(f"\nvoltages (pu) at the worst instant, {worst_s / 60:.0f} min: {envelope.loc[worst_s].round(4).to_dict()}")
print("\nthe fullest roads: most vehicles per km and lane at any recorded instant")
print(result.edges.groupby("edge")["density_per_km"].max().nlargest(5).round(1))
