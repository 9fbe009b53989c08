"""The ten digits as a finger draws them: strokes of points, in shares of a pad's width and height."""

import math

Stroke = list[tuple[float, float]]


def _arc(x: float, y: float, wide: float, high: float, start: float, end: float, points: int = 14) -> Stroke:
    """Return part of an ellipse. Angles are in degrees, 0 at the right, 90 at the bottom."""
    angles = [math.radians(start + (end - start) * step / points) for step in range(points + 1)]
    return [(x + wide * math.cos(angle), y + high * math.sin(angle)) for angle in angles]


DIGITS: list[list[Stroke]] = [
    [_arc(0.5, 0.5, 0.22, 0.33, -90, 275, 24)],
    [[(0.42, 0.3), (0.52, 0.18), (0.5, 0.5), (0.49, 0.84)]],
    [[*_arc(0.5, 0.34, 0.2, 0.18, -170, 20), (0.62, 0.5), (0.32, 0.82), (0.72, 0.82)]],
    [_arc(0.48, 0.33, 0.18, 0.16, -160, 90) + _arc(0.48, 0.66, 0.21, 0.18, -90, 150)],
    [[(0.36, 0.18), (0.3, 0.52), (0.72, 0.52)], [(0.62, 0.2), (0.6, 0.85)]],
    [[(0.68, 0.2), (0.38, 0.2), (0.36, 0.46), *_arc(0.49, 0.62, 0.2, 0.2, -125, 150)]],
    [[(0.58, 0.16), (0.42, 0.36), (0.34, 0.6), *_arc(0.5, 0.66, 0.17, 0.17, 180, -170, 22)]],
    [[(0.28, 0.22), (0.7, 0.22), (0.6, 0.45), (0.46, 0.84)]],
    [_arc(0.5, 0.34, 0.16, 0.16, 90, -270, 20) + _arc(0.5, 0.67, 0.19, 0.17, -90, 270, 20)],
    [[*_arc(0.5, 0.36, 0.17, 0.18, -10, -355, 20), (0.67, 0.42), (0.64, 0.62), (0.58, 0.84)]],
]
