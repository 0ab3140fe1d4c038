"""``[grid]``, ``[[profile]]``, ``[droop]`` and ``[price]``: the feeder, its own load, and what it answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from cosim import registry
from cosim.errors import nearest_name
from cosim.tables.base import AS_IT_IS, NotNegative, Positive, SourceTable, Table, bus_name

#: Feeders of other packages, each with an example of what follows the colon.
GRID_SOURCES = {"pandapower": "create_cigre_network_mv", "simbench": "1-MV-rural--0-sw"}
#: Shipped shapes of ``[[profile]]`` for each of its kinds.
PROFILE_SHAPES = {"load": ("residential", "commercial", "constant"), "pv": ("clear-sky",)}
#: The shape that stands for all the profiles that came with a SimBench net.
SIMBENCH_PROFILES = "simbench"


def _grid_name(name: str) -> str:
    # Which networks pandapower and SimBench have is asked when one is loaded: importing them takes seconds.
    source, colon, rest = name.partition(":")
    if not colon:
        if name not in registry.names("grid"):
            raise ValueError(f"unknown grid '{name}'; {nearest_name(name, registry.names('grid'))}")
    elif source not in GRID_SOURCES or not rest:
        forms = [f"{known}:{example}" for known, example in GRID_SOURCES.items()]
        raise ValueError(f"unknown grid '{name}'; {nearest_name(name, [*forms, *registry.names('grid')])}")
    return name


def _buses(value: object) -> tuple[int | str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not value or None in value:
        raise ValueError(f"found {value!r}; a list of at least one bus is needed, each given by its number or its name")
    return tuple(bus for bus in map(bus_name, value) if bus is not None)


class GridTable(SourceTable):
    """``[grid]``: the feeder, by name or in a file.

    Attributes
    ----------
    name : str, optional
        A plug-in, ``"pandapower:"`` and a function of ``pandapower.networks``, or ``"simbench:"`` and a SimBench code.
    file : str, optional
        pandapower JSON or Excel, a MATPOWER case (``.m``), or a folder with ``buses.csv`` and ``lines.csv``.
    base_load_scale : float
        Factor on every load of the feeder itself.
    band_low_pu, band_high_pu : float
        Voltages outside this band are reported as violations.
    on_collapse : {"impedance", "raise"}
        Below ``collapse_voltage_pu`` a load becomes a constant impedance, which is flagged and counted, or the run
        stops.
    collapse_voltage_pu : float
        See ``on_collapse``.
    """

    name: Annotated[str, AfterValidator(_grid_name)] | None = None
    base_load_scale: NotNegative = 1.0
    band_low_pu: Positive = 0.95
    band_high_pu: Positive = 1.05
    on_collapse: Literal["impedance", "raise"] = "impedance"
    collapse_voltage_pu: Annotated[float, Field(gt=0, lt=1)] = 0.7

    @model_validator(mode="after")
    def _band_order(self) -> GridTable:
        if self.band_low_pu >= self.band_high_pu:
            raise ValueError(f"band_low_pu = {self.band_low_pu} must be below band_high_pu = {self.band_high_pu}")
        return self


class ProfileTable(Table):
    """``[[profile]]``: how load or generation at some buses goes through the day; second 0 of a run is midnight.

    Attributes
    ----------
    kind : {"load", "pv"}
        Loads of the feeder, or static generators.
    shape : str, optional
        ``residential``, ``commercial`` or ``constant`` loads; ``clear-sky`` generation; ``simbench`` for every
        profile that came with the feeder's net, of loads, generators and storages.
    file : str, optional
        Instead of a shape: a CSV table, see :func:`cosim.grid.profile_series.read_series`.
    column : str, optional
        Which column of the file; without it the columns are named after buses, or there is one only.
    buses : list of int or str, optional
        By number or name. Without it: all that no other profile of this kind names.
    peak_kw : float, optional
        Of ``pv``: a new generator with this power at each bus; without it the feeder's own are meant.
    unit : {"share", "peak", "kw"}
        What the file's numbers are: shares of the power that the feeder states; the same once divided by the largest
        of the column; or kilowatts of each bus.
    first_day : int
        The day of the file, or of SimBench's year, with which the run begins, from 1.
    """

    kind: Literal["load", "pv"] = "load"
    shape: str | None = None
    file: str | None = None
    column: str | None = None
    buses: Annotated[tuple[int | str, ...] | None, PlainValidator(_buses), AS_IT_IS] = None
    peak_kw: Positive | None = None
    unit: Literal["share", "peak", "kw"] = "share"
    first_day: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _consistent(self) -> ProfileTable:
        shapes = PROFILE_SHAPES[self.kind]
        # Not what is written in the file: in a resolved scenario everything is.
        given = {name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default}
        if (self.shape is None) == (self.file is None):
            raise ValueError("give either shape (a shipped one) or file (a CSV table), one of the two")
        if self.shape == SIMBENCH_PROFILES:
            if superfluous := sorted(given - {"shape", "first_day"}):
                raise ValueError(f"shape = 'simbench' is for the whole feeder: {superfluous[0]} must be left out")
        elif self.shape is not None and self.shape not in shapes:
            allowed = nearest_name(self.shape, (*shapes, SIMBENCH_PROFILES))
            raise ValueError(f"kind '{self.kind}' has no shape '{self.shape}'; {allowed}")
        elif self.shape is not None and (misplaced := sorted(given & {"column", "unit", "first_day"})):
            raise ValueError(f"{misplaced[0]} belongs to a file; the shape '{self.shape}' has none")
        if self.peak_kw is not None and (self.kind == "load" or self.unit == "kw"):
            raise ValueError("peak_kw is for kind = 'pv' whose numbers are not kilowatts")
        if self.buses is None and self.adds_generators:
            raise ValueError("new generators need buses")
        return self

    @property
    def adds_generators(self) -> bool:
        """Whether it brings generators of its own instead of varying the feeder's."""
        return self.kind == "pv" and (self.peak_kw is not None or self.unit == "kw")


class DroopTable(Table):
    """``[droop]``: the voltage droop controller of every station (paper, Eq. 13-14).

    Attributes
    ----------
    enabled : bool
        Without it the cap is always ``max_power_kw``.
    v_ref_low_pu, v_ref_high_pu : float
        At or below the first the cap is ``min_power_kw``, at or above the second ``max_power_kw``, linear between.
    min_power_kw, max_power_kw : float
        The cap's range, per charger.
    control_interval_s : int
        How long a cap is held.
    voltage : {"mean", "local", "minimum"}
        Which voltage the controller reads: mean of all buses, the station's own bus, or the lowest bus.
    """

    enabled: bool = True
    v_ref_low_pu: Positive = 0.90
    v_ref_high_pu: Positive = 0.95
    min_power_kw: NotNegative = 15.0
    max_power_kw: Positive = 50.0
    control_interval_s: Annotated[int, Field(gt=0)] = 600
    voltage: Literal["mean", "local", "minimum"] = "mean"

    @model_validator(mode="after")
    def _orders(self) -> DroopTable:
        if self.v_ref_low_pu >= self.v_ref_high_pu:
            raise ValueError(f"v_ref_low_pu = {self.v_ref_low_pu} must be below v_ref_high_pu = {self.v_ref_high_pu}")
        if self.min_power_kw > self.max_power_kw:
            raise ValueError(f"min_power_kw = {self.min_power_kw} must not exceed max_power_kw = {self.max_power_kw}")
        return self


class PriceTable(Table):
    """``[price]``: what energy costs at a station, which rises with the load of its bus (SCA and CALC paper, Eq. 4-5).

    Attributes
    ----------
    k0_per_kwh : float
        Price without load, in any currency.
    k1_per_kwh_kw : float
        By how much it rises with each kW of base and charging load.
    """

    k0_per_kwh: NotNegative = 1e-4
    k1_per_kwh_kw: Positive = 1.2e-4
