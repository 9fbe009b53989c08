"""Find a picture's one mark of ink, by local contrast, so that uneven light is not taken for ink.

A grey closing (Soille, "Morphological Image Analysis", "top-hat") estimates the paper's brightness at each place.
It fills shapes narrower than its window, such as strokes, and keeps slow changes.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nightlite.errors import DataError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Less contrast than this (of 255) is paper, noise and JPEG's artefacts.
_LEAST_CONTRAST = 40
# Shares of the picture's longer side: the window's span, and the blur against camera noise.
_WINDOW, _BLUR = 0.5, 1 / 150
# Strength of ink as shares: of the strongest nearby, with a floor of the picture's strongest.
_INK, _EDGE, _FLOOR = 0.4, 0.15, 0.4
# Shares of all the ink: the largest speck, and the most that all specks may have.
_LEAST_PIECE, _MOST_SPECKS = 0.1, 0.25
# Shares of the mark's longer side: half of a stroke's gap, and the edge's width.
_HALF_GAP, _RIM = 0.08, 0.04
# An 8 has two or three holes. Holes smaller than this share are blots.
_MOST_HOLES, _LEAST_HOLE = 4, 0.002
_DIAGONALS_TOO = np.ones((3, 3))


class UnclearPictureError(DataError):
    """A picture does not show one digit. The message describes it, and the caller names the picture."""


def one_mark(brightness: Floats) -> Floats:
    """Return the strength of the one mark's ink, 0 to 1, for a picture's brightness, 0 to 255.

    Raises:
      UnclearPictureError: there is nothing, noise, or more than one mark.
    """
    strength = _strength(brightness)
    mark = _largest_pieces(strength)
    side = max(np.ptp(places) + 1 for places in np.nonzero(mark))
    distance = ndimage.distance_transform_edt(~mark)
    if _holes(mark, _LEAST_HOLE * side**2) > _MOST_HOLES:
        raise UnclearPictureError("noise")
    if (count := _count(distance <= max(1, _HALF_GAP * side))) > 1:
        raise UnclearPictureError(f"{count} separate marks")
    ink: Floats = np.clip((strength - _EDGE) / (1 - _EDGE), 0, 1)
    return np.where(distance <= max(1, _RIM * side), ink, 0)


def _strength(brightness: Floats) -> Floats:
    """Return each pixel's difference from the paper around it, as a share of the strongest ink nearby."""
    longer = max(brightness.shape)
    window = (max(3, int(_WINDOW * longer) | 1),) * 2
    level = _without_slope(ndimage.gaussian_filter(brightness, _BLUR * longer))
    # Dark or light, ink lies outside of the paper's range, which the picture's border shows.
    darkest, lightest = np.percentile(level[_border(level)], [20, 80])
    if darkest - level.min() >= level.max() - lightest:
        contrast = ndimage.grey_closing(level, size=window) - level
    else:
        contrast = level - ndimage.grey_opening(level, size=window)
    strongest = contrast.max()
    if strongest < _LEAST_CONTRAST:
        raise UnclearPictureError("nothing stands out")
    share: Floats = contrast / np.maximum(ndimage.maximum_filter(contrast, size=window), _FLOOR * strongest)
    return share


def _without_slope(brightness: Floats) -> Floats:
    """Subtract the plane through the border, where a closing would take a slope for ink."""
    rows, columns = np.indices(brightness.shape)
    border = _border(brightness)
    plane = np.stack([rows, columns, np.ones_like(rows)], axis=-1)
    slope = np.linalg.lstsq(plane[border], brightness[border], rcond=None)[0]
    level: Floats = brightness - plane @ slope
    return level


def _border(picture: Floats) -> Mask:
    border = np.ones(picture.shape, bool)
    border[1:-1, 1:-1] = False
    return border


def _largest_pieces(strength: Floats) -> Mask:
    """Return the mask of the ink, without specks."""
    pieces, _ = ndimage.label(strength > _INK, structure=_DIAGONALS_TOO)
    inks = np.bincount(pieces.ravel(), weights=strength.ravel())
    inks[0] = 0
    large = inks >= _LEAST_PIECE * inks.sum()
    if inks[~large].sum() > _MOST_SPECKS * inks.sum():
        raise UnclearPictureError("noise")
    mask: Mask = large[pieces] & (pieces > 0)
    return mask


def _holes(mark: Mask, least: float) -> int:
    outside_and_holes, _ = ndimage.label(np.pad(~mark, 1, constant_values=True))
    return int(np.count_nonzero(np.bincount(outside_and_holes.ravel())[1:] >= least)) - 1


def _count(mask: Mask) -> int:
    return int(ndimage.label(mask, structure=_DIAGONALS_TOO)[1])
