"""The kind of machine that a program is written for: a CPU, or an accelerator."""

import jax


def on_cpu() -> bool:
    """Say whether programs run on a CPU unless told otherwise: by `jax.default_device`, or because it is all there is.

    JAX writes a program anew where the default device is another one, so a program may depend on the answer.
    """
    device = jax.config.values["jax_default_device"]
    if device is None:
        return jax.default_backend() == "cpu"
    return str(getattr(device, "platform", device)) == "cpu"
