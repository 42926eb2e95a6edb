"""Signed statements (DSSE 1.0): with a key file, or with an identity of sigstore's."""
