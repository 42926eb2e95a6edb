"""envbuild inside a run: the one that the environment has, or, where it has none, what a script needs of it."""

import sys
from importlib.machinery import PathFinder
from pathlib import Path

_names = Path(__file__).resolve().parent.parent
_found = PathFinder.find_spec("envbuild", [one for one in sys.path if Path(one).resolve() != _names])
if _found is not None and _found.loader is not None:
    __file__, __path__ = str(_found.origin), list(_found.submodule_search_locations or ())
    _found.loader.exec_module(sys.modules[__name__])
else:
    __path__ = [str(_names)]  # envbuild.azureml is the azureml beside this folder
