"""One charging station by itself: the days of a station scenario, played, compared, drawn.

``days`` draws or reads who comes, ``play`` lets a controller charge them at the very stations of the coupled run,
``experiment`` does so for many controllers and seeds; ``comparison`` holds what follows from it, ``view`` and ``plots``
show it. ``commands`` and ``checking`` are behind the command line.
"""
