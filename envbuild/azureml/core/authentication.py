"""The ways to log in that scripts name: nothing here asks who somebody is, so they hold nothing and do nothing."""

from typing import Any


class InteractiveLoginAuthentication:
    """A person who logs in."""

    def __init__(self, *_ignored: Any, **_more: Any) -> None:
        """Take what Azure takes, and forget it: a secret that a script passes goes no further."""


class AzureCliAuthentication(InteractiveLoginAuthentication):
    """Who is logged in at Azure's command line."""


class MsiAuthentication(InteractiveLoginAuthentication):
    """A machine's own identity."""


class ServicePrincipalAuthentication(InteractiveLoginAuthentication):
    """A program's identity."""
