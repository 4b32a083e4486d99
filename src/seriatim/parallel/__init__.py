"""Parallel work: a function mapped over keys, here, on all devices or on a cluster, with the same results."""

from seriatim.parallel._backends import Backend, Devices, Local
from seriatim.parallel._over_keys import over_keys
from seriatim.parallel._ray import Ray
from seriatim.parallel._worker import RemoteError

__all__ = ["Backend", "Devices", "Local", "Ray", "RemoteError", "over_keys"]
