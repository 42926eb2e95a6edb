"""Lock files and exports, read and written as text. Pure: no file, clock, network or environment is touched here."""
