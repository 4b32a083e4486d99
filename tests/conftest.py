"""Every test runs with shapes and types checked at run time: the annotations are laws too."""

import os

from jaxtyping import install_import_hook

os.environ.setdefault("JAX_PLATFORMS", "cpu")
install_import_hook("seriatim", "beartype.beartype")
