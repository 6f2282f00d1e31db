"""The badge: the total as a picture for a README, or any page anywhere."""

from __future__ import annotations

_LABEL = "visits"
_LABEL_WIDTH = 32  # pixels, as all that follow
_WIDTHS = {",": 4}  # of a character; digits are wider
_DIGIT_WIDTH = 8
_MARK_WIDTH = 24  # of the rings and the space around them
_PADDING = 8
_HEIGHT = 20


def badge(total: int) -> str:
    """An SVG of a constant height, as wide as the number needs.

    `textLength` has each text drawn as wide as it is taken to be here, whatever font there is. Without styles and
    scripts, it needs no permission of a Content-Security-Policy.
    """
    number = f"{total:,}"
    number_width = sum(_WIDTHS.get(character, _DIGIT_WIDTH) for character in number)
    left = _MARK_WIDTH + _LABEL_WIDTH + _PADDING
    right = number_width + 2 * _PADDING
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" role="img" aria-labelledby="title">
  <title id="title">{_LABEL}: {number}</title>
  <clipPath id="shape"><rect width="{left + right}" height="{_HEIGHT}" rx="5" /></clipPath>
  <g clip-path="url(#shape)">
    <rect width="{left}" height="{_HEIGHT}" fill="#16211f" />
    <rect x="{left}" width="{right}" height="{_HEIGHT}" fill="#0b6e69" />
  </g>
  <g fill="none" stroke="#51cbb8">
    <circle cx="13" cy="10" r="6" opacity=".4" />
    <circle cx="13" cy="10" r="3.5" opacity=".8" />
  </g>
  <circle cx="13" cy="10" r="1.5" fill="#51cbb8" />
  <g font-family="Verdana, 'DejaVu Sans', Geneva, sans-serif" font-size="11">
    <text x="{_MARK_WIDTH}" y="14" textLength="{_LABEL_WIDTH}" fill="#edf2ef">{_LABEL}</text>
    <text x="{left + _PADDING}" y="14" textLength="{number_width}" fill="#fff" font-weight="bold">{number}</text>
  </g>
</svg>
"""
