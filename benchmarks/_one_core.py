"""One core for everyone: what is compared is programs, not how many cores each of them found; or an accelerator.

Must run before JAX, numba or a BLAS is loaded, since they read these settings once.
"""

import os

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def use_one_core() -> None:
    """Pin this process, and all it starts, to one of its cores; where the system cannot pin, threads are still one."""
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def use_the_accelerator() -> None:
    """Leave the choice of the device to JAX, but keep the CPU beside it; compile anew what a cache on disk may hold."""
    if os.environ.get("JAX_PLATFORMS"):
        platforms = os.environ["JAX_PLATFORMS"].split(",")
        os.environ["JAX_PLATFORMS"] = ",".join(dict.fromkeys([*platforms, "cpu"]))
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
