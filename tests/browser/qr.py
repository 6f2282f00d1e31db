"""A reader of QR codes in screenshots, after ISO/IEC 18004.

A screenshot has no errors, so error correction is not implemented.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence

from playwright.sync_api import Locator, Page

Matrix = Sequence[Sequence[bool]]  # rows of modules, True is dark

QUIET_ZONE = 4  # modules on each side

# The number of data bytes in a code of level M, by its modules on a side. Larger codes have several blocks.
_DATA_BYTES = {21: 16, 25: 28, 29: 44}
_LEVEL_M = 0b00
_BYTE_MODE = 0b0100
_FORMAT_MASK = 0b101010000010010

_MASKS: Sequence[Callable[[int, int], bool]] = (
    lambda row, column: (row + column) % 2 == 0,
    lambda row, column: row % 2 == 0,
    lambda row, column: column % 3 == 0,
    lambda row, column: (row + column) % 3 == 0,
    lambda row, column: (row // 2 + column // 3) % 2 == 0,
    lambda row, column: row * column % 2 + row * column % 3 == 0,
    lambda row, column: (row * column % 2 + row * column % 3) % 2 == 0,
    lambda row, column: ((row + column) % 2 + row * column % 3) % 2 == 0,
)


def scan(code: Locator) -> str:
    """The text of the QR code in an element, dark on light; its `viewBox` is in modules."""
    return scan_picture(code.page, code.screenshot(), side=int(code.evaluate("svg => svg.viewBox.baseVal.width")))


def scan_picture(page: Page, png: bytes, side: int) -> str:
    """The text of the QR code that fills a PNG, `side` modules wide with its quiet zone; the page decodes the PNG."""
    picture = _modules(page, png, side)
    inside = range(QUIET_ZONE, side - QUIET_ZONE)
    quiet_zone = [
        picture[row][column] or picture[column][row] for row in range(side) if row not in inside for column in inside
    ]
    assert not any(quiet_zone), "There are dark modules in the quiet zone."
    return decode([[picture[row][column] for column in inside] for row in inside])


def _modules(page: Page, png: bytes, side: int) -> Matrix:
    """Whether each module is dark, `side` rows of as many, by the pixel in its middle."""
    is_dark: list[bool] = page.evaluate(
        """async ([png, side]) => {
          const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
          const image = await createImageBitmap(new Blob([bytes]));
          const context = new OffscreenCanvas(side, side).getContext("2d");
          context.imageSmoothingEnabled = false;
          context.drawImage(image, 0, 0, side, side);
          const { data } = context.getImageData(0, 0, side, side);
          return Array.from({ length: side * side }, (_, module) => data[4 * module] < 128);
        }""",
        [base64.b64encode(png).decode(), side],
    )
    return [is_dark[row * side : (row + 1) * side] for row in range(side)]


def decode(matrix: Matrix) -> str:
    """The text of a code of level M in byte mode, with up to 29 modules on a side. Raises ValueError for others."""
    size = len(matrix)
    level, mask = _format(matrix)
    if level != _LEVEL_M or size not in _DATA_BYTES:
        raise ValueError(f"A code of level {level:02b} with {size} modules on a side cannot be read here.")
    bits = "".join(
        "01"[matrix[row][column] != _MASKS[mask](row, column)]
        for row, column in _path(size)
        if not _is_function_module(row, column, size)
    )
    data = bits[: 8 * _DATA_BYTES[size]]
    mode, length = int(data[:4], 2), int(data[4:12], 2)
    if mode != _BYTE_MODE:
        raise ValueError(f"The code has mode {mode:04b}, not bytes.")
    return int(data[12 : 12 + 8 * length], 2).to_bytes(length, "big").decode()


def _format(matrix: Matrix) -> tuple[int, int]:
    """The level of error correction and the number of the mask, beside the top left finder pattern."""
    row = [matrix[8][column] for column in (0, 1, 2, 3, 4, 5, 7, 8)]
    column = [matrix[row][8] for row in (7, 5, 4, 3, 2, 1, 0)]
    value = int("".join("01"[module] for module in row + column), 2) ^ _FORMAT_MASK
    return value >> 13, value >> 10 & 0b111


def _path(size: int) -> Iterator[tuple[int, int]]:
    """The order of the modules: up and down in columns of two from the right, past the vertical timing pattern."""
    rows = range(size)
    for right in (*range(size - 1, 6, -2), 5, 3, 1):
        rows = rows[::-1]
        for row in rows:
            yield row, right
            yield row, right - 1


def _is_function_module(row: int, column: int, size: int) -> bool:
    """Whether a module belongs to the patterns rather than to the data."""
    is_finder = (row < 9 and (column < 9 or column >= size - 8)) or (row >= size - 8 and column < 9)
    is_timing = row == 6 or column == 6
    is_alignment = size > 21 and abs(row - (size - 7)) <= 2 and abs(column - (size - 7)) <= 2
    return is_finder or is_timing or is_alignment
