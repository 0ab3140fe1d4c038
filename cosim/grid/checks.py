"""Everything that makes a net unusable, told at once."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pandapower as pp
from pandapower.powerflow import LoadflowNotConverged
from pandapower.toolbox import element_bus_tuples
from pandapower.topology import create_nxgraph

from cosim.errors import nearest_name
from cosim.grid.failures import PANDAPOWER_ERRORS, brief

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pandapower import pandapowerNet

# runpp treats these as balanced, adding up the phases: silently another feeder than the one in the file.
UNBALANCED = ("asymmetric_load", "asymmetric_sgen")
# Without them pandapower fails deep inside, or makes voltages that are not numbers.
_ESSENTIAL = {
    "bus": ("vn_kv",),
    "ext_grid": ("vm_pu",),
    "line": ("length_km", "r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km"),
    "trafo": ("sn_mva", "vn_hv_kv", "vn_lv_kv", "vk_percent", "vkr_percent"),
    "load": ("p_mw", "q_mvar", "scaling"),
    "sgen": ("p_mw", "q_mvar", "scaling"),
    "gen": ("p_mw", "vm_pu"),
    "storage": ("p_mw", "q_mvar", "scaling"),
}
# Their loads and generation would silently vanish with their bus.
_CARRYING = ("load", "sgen", "gen", "storage", "motor", "ward", "xward")
_SHOWN = 8


def net_faults(net: pandapowerNet) -> list[str]:
    """Return why a net cannot be used, each as the rest of a sentence that begins "the feeder 'x' ".

    Parameters
    ----------
    net : pandapowerNet
        It is not changed.

    Returns
    -------
    list of str
        Empty if the net has one slack, balanced elements at buses that exist, supply wherever something is connected,
        and a solution at its base load.
    """
    if len(net.bus) == 0:
        return ["has no buses."]
    try:
        return _table_faults(net) or _base_load_faults(net)
    except PANDAPOWER_ERRORS as error:
        # Such as a column that pandapower itself would have made.
        return [f"has tables that are incomplete or of other types than pandapower's own: {brief(error)}."]


def _table_faults(net: pandapowerNet) -> list[str]:
    faults = _slack_faults(net) + _unbalanced_faults(net)
    if not net.bus.index.is_unique:
        faults.append("has bus numbers that appear more than once.")
    unknown = _unknown_bus_faults(net)
    return faults + _number_faults(net) + (unknown or _island_faults(net))


def unsupplied_buses(net: pandapowerNet) -> frozenset[int]:
    """Return the buses without voltage: out of service, or cut off from every external grid in service.

    Parameters
    ----------
    net : pandapowerNet
        Elements out of service and open switches cut it.
    """
    import networkx as nx  # noqa: PLC0415 - here with pandapower

    graph = create_nxgraph(net, respect_switches=True, multi=False)
    supplied: set[int] = set()
    for bus in _slack_buses(net):
        if bus in graph and bus not in supplied:
            supplied |= nx.node_connected_component(graph, bus)
    off = net.bus.index[~net.bus["in_service"].to_numpy(dtype=bool)]
    return frozenset(int(bus) for bus in net.bus.index if bus not in supplied) | frozenset(int(bus) for bus in off)


def numbered(buses: Iterable[int]) -> str:
    """Write bus numbers: ``bus 3``, or ``buses 3, 4, 5``, at most eight of them."""
    numbers = sorted(buses)
    listed = ", ".join(map(str, numbers[:_SHOWN])) + (", ..." if len(numbers) > _SHOWN else "")
    return f"bus{'es' * (len(numbers) > 1)} {listed}"


def _slack_buses(net: pandapowerNet) -> list[int]:
    grids = net.ext_grid.loc[net.ext_grid["in_service"].astype(bool), "bus"]
    machines = net.gen.loc[net.gen["slack"].astype(bool) & net.gen["in_service"].astype(bool), "bus"]
    return [int(bus) for bus in (*grids, *machines)]


def _slack_faults(net: pandapowerNet) -> list[str]:
    slacks = len(_slack_buses(net))
    if slacks == 0:
        return ["is a grid without slack: it needs one external grid (ext_grid) in service."]
    if slacks > 1:
        places = numbered(set(_slack_buses(net)))
        return [
            f"has {slacks} external grids in service (at {places}); exactly one is needed, so switch the others off."
        ]
    return []


def _unbalanced_faults(net: pandapowerNet) -> list[str]:
    faults = []
    for table in UNBALANCED:
        count = int(net[table]["in_service"].sum()) if table in net and len(net[table]) else 0
        if count:
            faults.append(
                f"has {count} unbalanced elements ({table}): the power flow is balanced and would add up their phases; "
                "replace them by balanced ones."
            )
    return faults


def _number_faults(net: pandapowerNet) -> list[str]:
    found = []
    for table, columns in _ESSENTIAL.items():
        odd = net[table].index[~net[table]["in_service"].isin([True, False])].tolist()
        if odd:
            return [f"has values of {table}.in_service that are neither true nor false, at {', '.join(map(str, odd))}."]
        for column in columns:
            if column not in net[table]:
                found += [f"{table}.{column} of all"] * (len(net[table]) > 0)
            else:
                bad = ~np.isfinite(net[table][column].to_numpy(dtype=np.float64, na_value=np.nan))
                rows = net[table].index[bad & net[table]["in_service"].to_numpy(dtype=bool)].tolist()
                if rows:
                    shown = ", ".join(map(str, rows[:_SHOWN])) + (", ..." if len(rows) > _SHOWN else "")
                    found.append(f"{table}.{column} of {shown}")
    return [f"has numbers that are missing or not finite: {'; '.join(found)}."] if found else []


def _unknown_bus_faults(net: pandapowerNet) -> list[str]:
    known = set(net.bus.index)
    faults = []
    for table, column in sorted(element_bus_tuples()):
        if table not in net or column not in net[table] or len(net[table]) == 0:
            continue
        missing = {bus for bus in net[table][column].dropna().tolist() if bus not in known}
        if missing:
            named = ", ".join(f"{bus:g}" if isinstance(bus, float) else str(bus) for bus in sorted(missing, key=str))
            place = nearest_name(str(min(missing, key=str)), map(str, sorted(known))) if len(known) <= _SHOWN else ""
            faults.append(
                f"has elements at buses that do not exist: {table}.{column} names {named}{'; ' * bool(place)}{place}."
            )
    return faults


def _island_faults(net: pandapowerNet) -> list[str]:
    """Name the buses in service that carry something but have no supply."""
    if not _slack_buses(net):
        return []
    dead = unsupplied_buses(net) & {int(bus) for bus in net.bus.index[net.bus["in_service"].to_numpy(dtype=bool)]}
    faults = []
    for table in _CARRYING:
        if table in net and len(net[table]):
            on = net[table].loc[net[table]["in_service"].to_numpy(dtype=bool), "bus"]
            cut = {int(bus) for bus in on} & dead
            if cut:
                faults.append(
                    f"has elements ({table}) in service at {numbered(cut)}, which no external grid supplies; close "
                    "what cuts them off, or switch the elements or their buses off."
                )
    return faults


def _base_load_faults(net: pandapowerNet) -> list[str]:
    trial = copy.deepcopy(net)
    try:
        pp.runpp(trial, numba=False, lightsim2grid=False)
    except LoadflowNotConverged:
        return ["has no power flow solution at its base load: pandapower.runpp does not converge."]
    except PANDAPOWER_ERRORS as error:
        return [f"cannot be solved at its base load: {brief(error)}."]
    if "V" not in trial._ppc["internal"]:  # noqa: SLF001 - pandapower documents _ppc but has no accessor
        return ["has no line or transformer in service."]
    if not np.isfinite(trial._ppc["internal"]["V"]).all():  # noqa: SLF001 - as above
        return ["cannot be solved at its base load: some of its voltages are not numbers."]
    return []
