"""Scripts import this name so that pickled models of Azure find their classes; there are none of its own here."""
