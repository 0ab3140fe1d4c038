"""Where traffic keeps left, roughly: enough to warn somebody who forgot to say so."""

from __future__ import annotations

#: Boxes of degrees (south, west, north, east) drawn by hand inside the coasts and borders of places where traffic keeps
#: left. They follow borders to some tens of kilometres at best and leave out narrow strips and small islands: whoever
#: reads them may say "may", no more. Neighbours that both keep left share boxes.
_BOXES: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "Hong Kong": ((22.15, 113.83, 22.43, 114.45), (22.43, 113.97, 22.51, 114.45)),
    "Macau": ((22.10, 113.545, 22.216, 113.60),),
    "Great Britain": ((49.9, -6.5, 51.0, 0.99), (51.0, -5.3, 53.5, 1.8), (53.5, -5.3, 61.0, 0.5), (55.5, -7.7, 61, -5)),
    "Ireland": ((51.3, -10.7, 55.5, -5.3),),
    "the Channel Islands": ((49.15, -2.27, 49.28, -2.0), (49.4, -2.7, 49.75, -2.15)),
    "Malta": ((35.75, 14.1, 36.1, 14.6),),
    "Cyprus": ((34.5, 32.2, 35.75, 34.7),),
    "Japan": ((24.0, 122.9, 31.0, 131.5), (31.0, 128.5, 34.0, 132.0), (33.0, 130.8, 36.6, 141.5),
              (36.6, 136.0, 41.6, 142.2), (41.3, 139.2, 45.6, 145.5)),
    "Thailand": ((13.0, 99.3, 18.5, 101.0), (17.0, 98.8, 19.9, 100.3), (14.6, 101.0, 17.4, 104.4),
                 (12.4, 100.8, 14.6, 102.2), (11.5, 99.6, 13.0, 100.3), (9.8, 99.0, 11.5, 100.2),
                 (6.7, 98.2, 9.8, 101.5)),
    "Malaysia, Singapore, Brunei or Indonesia": ((1.1, 99.6, 6.7, 104.5), (-11.0, 95.0, 4.5, 119.0),
                                                (4.5, 95.0, 6.0, 98.5), (4.5, 112.5, 7.3, 119.3),
                                                (-11.0, 119.0, 2.0, 141.0)),
    "Papua New Guinea": ((-11.7, 141.0, -1.0, 155.9),),
    "Australia": ((-44.0, 112.5, -11.0, 154.0),),
    "New Zealand": ((-47.5, 166.0, -34.0, 179.0),),
    "Fiji": ((-19.3, 177.0, -16.0, 180.0),),
    "Sri Lanka": ((5.8, 79.5, 9.9, 82.0),),
    "India, Pakistan, Bangladesh, Nepal or Bhutan": ((8.0, 72.0, 24.5, 88.5), (20.0, 68.0, 24.5, 72.0),
                                                    (21.2, 88.5, 24.2, 91.9), (24.2, 88.0, 27.0, 93.8),
                                                    (24.0, 70.0, 30.5, 80.0), (30.5, 71.5, 34.3, 77.5),
                                                    (24.0, 80.0, 27.5, 88.5), (27.5, 80.0, 28.0, 86.0),
                                                    (24.8, 63.5, 29.3, 70.0), (29.3, 66.6, 30.5, 70.0)),
    "southern Africa": ((-35.0, 11.7, -18.0, 36.5), (-18.0, 22.2, -13.5, 41.0)),
    "eastern Africa": ((-13.5, 31.0, -9.5, 40.7), (-9.5, 31.2, -1.2, 39.7), (-4.7, 34.0, 3.5, 41.0),
                       (-1.0, 31.2, 3.5, 34.0)),
    "Mauritius": ((-20.6, 57.2, -19.9, 57.9),),
    "Jamaica": ((17.6, -78.5, 18.6, -76.1),),
    "Barbados": ((13.0, -59.7, 13.4, -59.4),),
    "Trinidad and Tobago": ((10.0, -61.9, 11.4, -60.5),),
}  # fmt: skip


def may_keep_left(lat_deg: float, lon_deg: float) -> str | None:
    """Return where a point may lie, of the places where traffic keeps left.

    Parameters
    ----------
    lat_deg, lon_deg : float
        WGS 84.

    Returns
    -------
    str or None
        The place's name, or None if it lies in none that is known here.
    """
    for place, boxes in _BOXES.items():
        if any(south <= lat_deg <= north and west <= lon_deg <= east for south, west, north, east in boxes):
            return place
    return None
