"""azureml inside a run: all of envbuild's, where the environment has envbuild; else what a script needs of it."""

import sys
from importlib import import_module

try:
    from envbuild.azureml.alias import install_alias
except ImportError:
    pass  # the modules beside this one answer
else:
    install_alias()
    sys.modules[__name__] = import_module("envbuild.azureml")
