"""The badge: an SVG of the total, for a README or any web page."""

from __future__ import annotations

_LABEL = "visits"
_LABEL_WIDTH = 29  # pixels, like the widths below
_COMMA_WIDTH = 4
_DIGIT_WIDTH = 8
_MARK_WIDTH = 23  # the rings and the space around them
_PADDING = 8


def badge(total: int) -> str:
    """An SVG, 20 pixels high and as wide as the number needs.

    `textLength` makes browsers draw each text at the width assumed here, in any font. The SVG has no styles, scripts
    or ids, so that it also works inline in a page and under any Content-Security-Policy.
    """
    number = f"{total:,}"
    number_width = sum(_COMMA_WIDTH if character == "," else _DIGIT_WIDTH for character in number)
    left = _MARK_WIDTH + _LABEL_WIDTH + _PADDING
    right = number_width + 2 * _PADDING
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img">
  <title>{_LABEL}: {number}</title>
  <path fill="#2b3a37" d="M{left} 0v20H5q-5 0-5-5V5q0-5 5-5z" />
  <path fill="#0b6e69" d="M{left} 0v20h{right - 5}q5 0 5-5V5q0-5-5-5z" />
  <g fill="none" stroke="#51cbb8">
    <circle cx="13" cy="10" r="6" opacity=".45" />
    <circle cx="13" cy="10" r="3.5" opacity=".8" />
  </g>
  <circle cx="13" cy="10" r="1.5" fill="#51cbb8" />
  <g font-family="Verdana, 'DejaVu Sans', Geneva, sans-serif" font-size="11">
    <text x="{_MARK_WIDTH}" y="14" textLength="{_LABEL_WIDTH}" fill="#edf2ef">{_LABEL}</text>
    <text x="{left + _PADDING}" y="14" textLength="{number_width}" fill="#fff" font-weight="bold">{number}</text>
  </g>
</svg>
"""
