"""Styles: how cells look, by name; the same in every workbook. Values only."""

from typing import Any

BASE = {"font_name": "Calibri", "font_size": 11, "valign": "top"}
_RIGHT = {"align": "right", "indent": 1}
_HEADER = {"bold": True, "font_color": "#FFFFFF", "bg_color": "#1F3864", "text_wrap": True, "num_format": "@"}
_HEADING = {"bold": True, "font_size": 12, "font_color": "#1F3864", "bottom": 1, "bottom_color": "#1F3864"}
STYLES: dict[str, dict[str, Any]] = {
    "plain": {},
    "text": {"num_format": "@"},
    "wrap": {"num_format": "@", "text_wrap": True},
    # `_)` keeps a number off the text that follows it; LibreOffice is not consistent about the indent of numbers.
    "count": {"align": "right", "num_format": "#,##0_)"},
    "number": {"align": "right", "num_format": "0_)"},
    "seconds": {"align": "right", "num_format": "#,##0.0_)"},
    "fine_seconds": {"align": "right", "num_format": "#,##0.000_)"},
    "share": {"align": "right", "num_format": "0.0%_)"},
    "whole": {"num_format": "0"},  # to be typed in: read back as it is shown
    "day": {"num_format": "yyyy-mm-dd"},  # like the next: a typed date becomes one whatever the country
    "moment": {"num_format": "yyyy-mm-dd hh:mm"},
    "title": {"bold": True, "font_size": 16, "font_color": "#1F3864"},
    "heading": _HEADING,
    "heading_right": {**_HEADING, **_RIGHT},
    "heading_note": {"font_color": "#44546A"},
    "key": {"font_color": "#44546A"},
    "command": {"num_format": "@", "font_name": "Consolas"},
    "total": {"align": "right", "num_format": "#,##0_)", "bold": True, "top": 1},
    "total_share": {"align": "right", "num_format": "0.0%_)", "bold": True, "top": 1},
    "total_name": {"bold": True, "top": 1},
    "header": _HEADER,
    "header_right": {**_HEADER, **_RIGHT},
    "optional": {**_HEADER, "font_color": "#1F3864", "bg_color": "#DCE3F5"},
    "good": {"bg_color": "#CEF0E6", "font_color": "#044834"},
    "look": {"bg_color": "#FEF4D8", "font_color": "#5A4712"},
    "bad": {"bg_color": "#F9D3DA", "font_color": "#8A1029", "bold": True},
    "calm": {"bg_color": "#DCE3F5", "font_color": "#263B73", "italic": True},
}

NUMERIC = frozenset({"count", "number", "seconds", "share"})
