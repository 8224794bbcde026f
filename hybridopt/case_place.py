"""Where each key of a TOML text stands, because ``tomllib`` keeps no line numbers."""

import re
import tomllib
from bisect import bisect_right

KeyPath = tuple[str | int, ...]
"""Keys and positions from the root, such as ``("event", "lines", 0)``."""

_BLANK = re.compile(r"[ \t]*")
_FILLING = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN_VALUE = re.compile(r"[^,\]}#\r\n]*")
# Multi-line strings may end in up to two quotes of their own: """she said "so""""".
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")|'
    r"'''.*?'{3,5}(?!')|"
    r'"(?:[^"\\\n]|\\.)*"|'
    r"'[^'\n]*'",
    re.DOTALL,
)


def find_places(text: str) -> dict[KeyPath, int]:
    """Give the line of every table, key and list entry of a TOML text.

    Parameters
    ----------
    text : TOML that ``tomllib`` accepts; nothing is checked here

    Returns
    -------
    lines : line number (from 1) by key path; a table is where its first header or key stands
    """
    return _Scanner(text).scan()


def format_path(path: KeyPath) -> str:
    """Write a key path as ``resources.lines.candidates[0].max_i_ka``."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else f'"{part}"'
            written += f".{key}" if written else key
    return written


def parse_path(written: str) -> KeyPath:
    """Read what `format_path` writes."""
    path: list[str | int] = []
    for quoted, index, bare in re.findall(r'"([^"]*)"|\[(\d+)\]|([^.\[\]"]+)', written):
        path.append(int(index) if index else quoted or bare)
    return tuple(path)


class _Scanner:
    """One pass over the text; `position` moves, `places` grows."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.line_starts = [0] + [match.end() for match in re.finditer("\n", text)]
        self.places: dict[KeyPath, int] = {}
        self.counts: dict[KeyPath, int] = {}  # entries so far of each array of tables

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_FILLING)
        while self.position < len(self.text):
            if self._peek() == "[":
                table = self._read_header()
            else:
                self._read_pair(table)
            self._skip(_FILLING)
        return self.places

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        if match is None:
            return ""
        self.position = match.end()
        return match.group()

    def _mark(self, path: KeyPath) -> None:
        self.places.setdefault(path, bisect_right(self.line_starts, self.position))

    def _read_header(self) -> KeyPath:
        is_array = self.text.startswith("[[", self.position)
        start = self.position
        self.position += 2 if is_array else 1
        keys = self._read_keys()
        self.position += 2 if is_array else 1
        end, self.position = self.position, start
        table: KeyPath = ()
        for depth, key in enumerate(keys, start=1):
            table = (*table, key)
            self._mark(table)
            if is_array and depth == len(keys):
                self.counts[table] = self.counts.get(table, 0) + 1
            if table in self.counts:
                table = (*table, self.counts[table] - 1)
                self._mark(table)
        self.position = end
        return table

    def _read_pair(self, table: KeyPath) -> None:
        start = self.position
        keys = self._read_keys()
        end, self.position = self.position, start
        for depth in range(1, len(keys) + 1):
            self._mark((*table, *keys[:depth]))
        self.position = end + 1  # the equals sign
        self._skip(_BLANK)
        self._read_value((*table, *keys))

    def _read_keys(self) -> list[str]:
        """Read a dotted key up to the sign that ends it."""
        keys = []
        while True:
            self._skip(_BLANK)
            quoted = self._skip(_STRING)
            if quoted:
                keys.append(str(tomllib.loads(f"key = {quoted}")["key"]))
            else:
                keys.append(self._skip(_BARE_KEY))
            self._skip(_BLANK)
            if self._peek() != ".":
                return keys
            self.position += 1

    def _read_value(self, path: KeyPath) -> None:
        opening = self._peek()
        if opening == "[":
            self._read_members(path, closing="]")
        elif opening == "{":
            self._read_members(path, closing="}")
        elif opening in {'"', "'"}:
            self._skip(_STRING)
        else:
            self._skip(_PLAIN_VALUE)

    def _read_members(self, path: KeyPath, closing: str) -> None:
        """Read a list or an inline table from its opening to its closing bracket."""
        self.position += 1
        self._skip(_FILLING)
        index = 0
        while self._peek() not in {closing, ""}:
            if closing == "]":
                self._mark((*path, index))
                self._read_value((*path, index))
            else:
                self._read_pair(path)
            index += 1
            self._skip(_FILLING)
            if self._peek() == ",":
                self.position += 1
                self._skip(_FILLING)
        self.position += 1
