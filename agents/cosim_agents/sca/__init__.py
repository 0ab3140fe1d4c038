"""Policies of one charging site as pure functions on arrays (SCA and CALC paper, Cao et al.).

``offline`` solves the problem of ``cosim.scheduling.site`` with everything known, ``online`` from what is known now;
``rules`` are the simple policies; ``calc`` and ``sca`` are policies that learn to do better than the rolling optimum
(``training``, ``sca_training``; torch only there). Numbers of equations are those of the paper. The inner loops are
numba's and imported at the first call, so that importing this package is quick.
"""
