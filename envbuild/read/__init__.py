"""From files that people write to a `Definition`. Parsing is pure; files are opened at the edge of this room."""
