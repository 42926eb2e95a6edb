"""Environments: what they are, their files of both generations, registered, locked, built."""
