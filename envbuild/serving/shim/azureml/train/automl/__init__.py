"""Import names of documented scoring scripts; see the shim package."""
