"""OCEAN: a charging site whose parked vehicles compute for the edge of the network (EV-MEC).

``offloading`` assigns a second's tasks to vehicles (SP2-2), with a certified gap; ``tasks`` draws tasks or reads them,
``examples`` has those of the paper. Numbers of equations are the paper's. The inner loops are numba's and imported at
the first call, so that importing this package is quick.
"""
