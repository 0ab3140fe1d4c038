"""The distribution feeder: its tables, its power flow and what follows from a solution.

One sign convention holds throughout: **a load is positive**. Station power, base load and what the external grid
supplies are positive when energy flows towards the consumer; a vehicle that feeds back has negative power.

Nothing is imported here, because pandapower alone takes seconds: import the modules.

- :mod:`cosim.grid.tables` reads a feeder from two CSV tables;
- :mod:`cosim.grid.feeder` finds a feeder by name or file and its buses; behind it, :mod:`~cosim.grid.files` reads
  files, :mod:`~cosim.grid.matpower` and :mod:`~cosim.grid.matlab` MATPOWER's among them, :mod:`~cosim.grid.builtin`
  asks pandapower and SimBench for theirs, and :mod:`~cosim.grid.checks` says why a net cannot be used;
- :mod:`cosim.grid.powerflow` solves it for given charging loads, as fast as a compiled engine allows
  (:mod:`~cosim.grid.engines`), and where no solution exists (:mod:`~cosim.grid.collapse`);
- :mod:`cosim.grid.profiles` holds loads and generation that change over the day, :mod:`~cosim.grid.profile_plan` makes
  them from a scenario, :mod:`~cosim.grid.profile_series` reads shapes and files;
- :mod:`cosim.grid.branches` has line loading, losses and the supply of the external grid;
- :mod:`cosim.grid.bands` tells which buses left their voltage band.
"""
