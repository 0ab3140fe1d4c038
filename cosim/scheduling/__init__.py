"""Charging at one site, slot by slot: the problem, what a policy sees, and what keeps every promise.

``site`` describes the problem; ``projection`` and ``shield`` make of any action one with which every vehicle is served
that can be; ``sessions`` reads session files and ``arrivals`` draws sessions; ``replay`` plays a site slot by slot;
``offline`` is the yardstick of every policy.

Numbers of equations are those of the SCA and CALC paper (Cao et al.). All powers and energies are on the grid side
unless a name says battery. The inner loops (``kernels``, ``water_filling``) are
numba's and imported at the first call.
"""
