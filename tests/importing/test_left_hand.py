"""Where traffic keeps left: cities on both sides of coasts and borders."""

from __future__ import annotations

import pytest

from cosim.importing.left_hand import may_keep_left


@pytest.mark.parametrize(
    ("place", "lat_deg", "lon_deg"),
    [
        ("Hong Kong", 22.3193, 114.1694),
        ("Hong Kong", 22.502, 114.128),
        ("Macau", 22.19, 113.555),
        ("Great Britain", 51.5074, -0.1278),
        ("Great Britain", 51.127, 1.313),
        ("Great Britain", 55.8617, -4.2583),
        ("Great Britain", 57.4778, -4.2247),
        ("Ireland", 53.3498, -6.2603),
        ("Malta", 35.8989, 14.5146),
        ("Cyprus", 35.1856, 33.3823),
        ("Japan", 35.6762, 139.6503),
        ("Japan", 33.5902, 130.4017),
        ("Japan", 43.0618, 141.3545),
        ("Thailand", 13.7563, 100.5018),
        ("Thailand", 18.7883, 98.9853),
        ("Malaysia", 3.139, 101.6869),
        ("Singapore", 1.3521, 103.8198),
        ("Indonesia", -6.2088, 106.8456),
        ("Brunei", 4.9031, 114.9398),
        ("Australia", -33.8688, 151.2093),
        ("Australia", -31.9523, 115.8613),
        ("New Zealand", -36.8509, 174.7645),
        ("Sri Lanka", 6.9271, 79.8612),
        ("India", 28.6139, 77.209),
        ("India", 19.076, 72.8777),
        ("India", 12.9716, 77.5946),
        ("Pakistan", 24.8607, 67.0011),
        ("Pakistan", 31.5204, 74.3587),
        ("Bangladesh", 23.8103, 90.4125),
        ("Nepal", 27.7172, 85.324),
        ("southern Africa", -33.9249, 18.4241),
        ("southern Africa", -26.2041, 28.0473),
        ("southern Africa", -15.3875, 28.3228),
        ("eastern Africa", -1.2921, 36.8219),
        ("eastern Africa", -6.7924, 39.2083),
        ("eastern Africa", 0.3476, 32.5825),
        ("Jamaica", 18.0179, -76.8099),
    ],
)
def test_traffic_keeps_left(place: str, lat_deg: float, lon_deg: float) -> None:
    assert place in str(may_keep_left(lat_deg, lon_deg))


@pytest.mark.parametrize(
    ("lat_deg", "lon_deg"),
    [
        (22.543, 114.058), (22.271, 113.567), (50.951, 1.858), (50.725, 1.613), (49.923, 1.077), (49.633, -1.616),
        (35.18, 129.076), (33.499, 126.531), (25.033, 121.565), (17.967, 102.614), (11.556, 104.928), (16.866, 96.195),
        (14.599, 120.984), (9.74, 118.735), (10.823, 106.63), (34.555, 69.207), (31.613, 65.71), (35.689, 51.389),
        (29.654, 91.172), (-1.944, 30.062), (-3.376, 29.36), (-11.687, 27.503), (-8.839, 13.289), (9.03, 38.74),
        (2.046, 45.318), (4.859, 31.571), (-18.879, 47.508), (50.864, 9.71), (40.713, -74.006), (23.113, -82.366),
        (10.481, -66.904), (39.904, 116.407), (55.756, 37.617), (46.959, 142.738), (48.857, 2.352), (36.434, 28.218),
    ],
)  # fmt: skip
def test_traffic_keeps_right(lat_deg: float, lon_deg: float) -> None:
    assert may_keep_left(lat_deg, lon_deg) is None
