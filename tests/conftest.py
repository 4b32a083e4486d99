"""Every test runs with shapes and types checked at run time: the annotations are laws too."""

import os

from jaxtyping import install_import_hook

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Most tests compile for seconds and compute for milliseconds.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
install_import_hook("seriatim", "beartype.beartype")
