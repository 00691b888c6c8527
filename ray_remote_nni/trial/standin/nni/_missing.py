"""What a script is told that wants more of `nni` than the stand-in has."""

import sys
from importlib import import_module
from types import ModuleType


def announce_missing(module_name):
    """Make every name that the module `nni` or `nni.utils` lacks an ImportError that says what to install.

    Names with a leading underscore stay an AttributeError: Python and its tools look for many of those
    everywhere. (A module's class is changed, since a module-level `__getattr__` needs Python 3.7.)
    """
    sys.modules[module_name].__class__ = _Standin
    if not any(isinstance(finder, _Submodules) for finder in sys.meta_path):
        sys.meta_path.append(_Submodules())


class _Standin(ModuleType):
    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError("module {!r} has no attribute {!r}".format(self.__name__, name))
        if hasattr(self, "__path__"):
            # `from nni import tuner`, before anybody has imported that module.
            return import_module(self.__name__ + "." + name)
        raise _error(self.__name__ + "." + name)


class _Submodules:
    """The last finder: whatever submodule of `nni` reaches it was found nowhere."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.startswith("nni."):
            raise _error(fullname)
        return None


def _error(missing):
    return ModuleNotFoundError(
        "No {}: this trial's Python has no nni package, and the stand-in that ray-nni puts in its place has only what "
        "a trial needs to get its parameters and to report results. Install NNI into that Python: "
        '{} -m pip install nni "setuptools<81"'.format(missing, sys.executable or "python3"),
        name="nni",
    )
