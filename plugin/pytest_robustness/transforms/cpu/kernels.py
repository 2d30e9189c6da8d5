"""The kernels, compiled by Numba: each changes one image, without Python's lock.

Results are those of PyTorch's operations to the last bit, so that the arithmetic is written out in their order. Numba
neither reorders floating-point operations nor contracts them; where PyTorch's kernels are compiled to fused
multiply-adds, ``_fma`` says so.

Images are uint8 [3, H, W], contiguous. Compiled once for each type of processor, and kept on disk by Numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numba as nb
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

BORDER: Final = 2
"""Black pixels on each side of a packed image: what is sampled outside needs no branch."""

_OPTIONS: Final[dict[str, Any]] = {"nogil": True, "cache": True, "error_model": "numpy"}
_FLOATS: Final = ir.VectorType(ir.FloatType(), 4)
_BYTES: Final = ir.VectorType(ir.IntType(8), 4)
_INTS: Final = ir.VectorType(ir.IntType(32), 4)
_F: Final = np.float32
_U: Final = nb.uint32
_I: Final = nb.int32


@intrinsic  # type: ignore[untyped-decorator]
def _fma(typing: Any, a: Any, b: Any, c: Any) -> tuple[Any, Callable[..., Any]]:
    """Return ``a * b + c``, rounded once."""
    return types.float32(*[types.float32] * 3), lambda _, builder, __, values: builder.fma(*values)


@intrinsic  # type: ignore[untyped-decorator]
def _blended(typing: Any, above: Any, below: Any, nw: Any, ne: Any, sw: Any, se: Any) -> tuple[Any, Callable[..., Any]]:
    """Return the packed sum of the two packed pixels at each of two addresses, times four weights, half to even."""

    def code(_: Any, builder: ir.IRBuilder, __: Any, values: Any) -> Any:
        upper, lower, *weights = values
        following = ir.Constant(upper.type, 4)
        places = (upper, builder.add(upper, following), lower, builder.add(lower, following))
        pixels = [_pixel(builder, place) for place in places]
        factors = [_spread(builder, weight) for weight in weights]
        total = builder.fmul(pixels[0], factors[0])
        for pixel, factor in zip(pixels[1:], factors[1:], strict=True):
            total = _call(builder, "llvm.fma.v4f32", pixel, factor, total)
        whole = builder.fptosi(_call(builder, "llvm.rint.v4f32", total), _INTS)
        return builder.bitcast(builder.trunc(whole, _BYTES), ir.IntType(32))

    return types.uint32(types.uintp, types.uintp, *[types.float32] * 4), code


def _call(builder: ir.IRBuilder, name: str, *values: Any) -> Any:
    """Call a function of LLVM on four floats at once."""
    form = ir.FunctionType(_FLOATS, [_FLOATS] * len(values))
    return builder.call(cgutils.get_or_insert_function(builder.module, form, name), values)


def _pixel(builder: ir.IRBuilder, address: Any) -> Any:
    """Load the four channels of a packed pixel as floats."""
    channels = builder.load(builder.inttoptr(address, _BYTES.as_pointer()), align=1)
    return builder.sitofp(builder.zext(channels, _INTS), _FLOATS)


def _spread(builder: ir.IRBuilder, value: Any) -> Any:
    """Repeat a float four times."""
    nothing = ir.Constant(_FLOATS, ir.Undefined)
    single = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(single, nothing, ir.Constant(_INTS, [0] * 4))


@nb.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def pack(image: NDArray[np.uint8], packed: NDArray[np.uint32]) -> None:
    """Put the channels of each pixel into one number, inside of ``packed``'s border."""
    for y in range(image.shape[1]):
        red, green, blue, row = image[0, y], image[1, y], image[2, y], packed[y + BORDER]
        for x in range(image.shape[2]):
            row[x + BORDER] = _U(red[x]) | (_U(green[x]) << _U(8)) | (_U(blue[x]) << _U(16))


@nb.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _locate(
    y: int,
    size: tuple[int, int],
    plane: tuple[float, ...],
    first: tuple[float, float],
    perspective: bool,
    at: NDArray[np.int32],
    right: NDArray[np.float32],
    down: NDArray[np.float32],
) -> None:
    """Compute where row ``y`` is sampled: the packed pixel above and left of it, and how far it is from there.

    This is `warps.grid`, and then what ``grid_sample`` does with it.
    """
    height, width = size
    one, half, lowest = _F(1), _F(0.5), _F(-BORDER)
    half_width, half_height, rightmost, bottom = _F(width / 2), _F(height / 2), _F(width), _F(height)
    line = _F(y) + first[1]
    row_x, row_y, row_z = line * plane[1] + plane[2], line * plane[4] + plane[5], line * plane[7] + plane[8]
    for x in range(width):
        column = _F(_I(x)) + first[0]
        to_x, to_y = column * plane[0] + row_x, column * plane[3] + row_y
        if perspective:
            depth = column * plane[6] + row_z
            to_x, to_y = to_x / depth - one, to_y / depth - one
        to_x, to_y = _fma(to_x + one, half_width, -half), _fma(to_y + one, half_height, -half)
        # Comparisons in this order put NaN outside as well.
        to_x, to_y = to_x if to_x > lowest else lowest, to_y if to_y > lowest else lowest
        to_x, to_y = to_x if to_x < rightmost else rightmost, to_y if to_y < bottom else bottom
        left, top = np.floor(to_x), np.floor(to_y)
        right[x], down[x] = to_x - left, to_y - top
        at[x] = (_I(top) + _I(BORDER)) * _I(width + 2 * BORDER) + _I(left) + _I(BORDER)


@nb.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def warp(
    packed: NDArray[np.uint32],
    plane: tuple[float, ...],
    first: tuple[float, float],
    perspective: bool,
    result: NDArray[np.uint8],
) -> None:
    """Sample a packed image at the places that ``plane`` gives, the first pixel being at ``first``."""
    _, height, width = result.shape
    start, below = nb.uintp(packed.ctypes.data), nb.uintp(4 * (width + 2 * BORDER))
    at, row = np.empty(width, np.int32), np.empty(width, np.uint32)
    right, down = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(height):
        # A constant in each branch, so that each loop is compiled without one.
        if perspective:
            _locate(y, (height, width), plane, first, True, at, right, down)
        else:
            _locate(y, (height, width), plane, first, False, at, right, down)
        for x in range(width):
            above = start + nb.uintp(4 * at[x])
            east, south = right[x], down[x]
            west, north = _F(1) - east, _F(1) - south
            row[x] = _blended(above, above + below, west * north, east * north, west * south, east * south)
        red, green, blue = result[0, y], result[1, y], result[2, y]
        for x in range(width):
            red[x], green[x], blue[x] = nb.uint8(row[x]), nb.uint8(row[x] >> _U(8)), nb.uint8(row[x] >> _U(16))


@nb.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def look_up(image: NDArray[np.uint8], tables: NDArray[np.uint8], result: NDArray[np.uint8]) -> None:
    """Replace each value by its entry in the channel's table: ``tables`` [3, 256]."""
    for channel in range(image.shape[0]):
        table, values, replaced = tables[channel], image[channel].reshape(-1), result[channel].reshape(-1)
        for place in range(values.size):
            replaced[place] = table[values[place]]


@nb.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def equalizing(image: NDArray[np.uint8], tables: NDArray[np.uint8]) -> None:
    """Write the table of each channel that equalizes its histogram, as Pillow computes it, to ``tables`` [3, 256]."""
    for channel in range(image.shape[0]):
        values = image[channel].reshape(-1)
        # Four at a time: counting the same value twice in a row would wait for the first count to be stored.
        counts = np.zeros((4, 256), np.int64)
        for place in range(0, values.size - 3, 4):
            for lane in range(4):
                counts[lane, values[place + lane]] += 1
        for place in range(values.size - values.size % 4, values.size):
            counts[0, values[place]] += 1
        histogram = counts[0] + counts[1] + counts[2] + counts[3]
        last = 255
        while histogram[last] == 0:
            last -= 1
        step = (values.size - histogram[last]) // 255
        below = step // 2
        for value in range(256):
            tables[channel, value] = value if step == 0 else min(below // step, 255)
            below += histogram[value]


@nb.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def brighten(values: NDArray[np.uint8], factor: np.float32, result: NDArray[np.uint8]) -> None:
    """Multiply each of ``values`` [n], up to 255, and cut the fraction off."""
    for place in range(values.size):
        product = _F(_I(values[place])) * factor
        result[place] = nb.uint8(_I(product if product < _F(255) else _F(255)))


@nb.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def mirror(rows: NDArray[np.uint8], result: NDArray[np.uint8]) -> None:
    """Mirror each of ``rows`` [n, W]."""
    last = rows.shape[1] - 1
    for y in range(rows.shape[0]):
        row, mirrored = rows[y], result[y]
        for x in range(last + 1):
            # Without a sign, Numba does not ask whether the index counts from the end.
            mirrored[x] = row[nb.uintp(last - x)]


@nb.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def normalize(
    image: NDArray[np.uint8], mean: NDArray[np.float32], std: NDArray[np.float32], result: NDArray[np.float32]
) -> None:
    """Write ``(image / 255 - mean) / std`` to ``result``; ``image`` may be a crop, ``mean`` and ``std`` are [3]."""
    for channel in range(image.shape[0]):
        mean_of, std_of = mean[channel], std[channel]
        for y in range(image.shape[1]):
            row, normal = image[channel, y], result[channel, y]
            for x in range(row.size):
                normal[x] = (_F(_I(row[x])) / _F(255) - mean_of) / std_of
