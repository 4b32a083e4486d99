"""What JAX was told, for the program or for one thread, holds where the work is done: every option, every backend."""

import contextlib
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.parallel import Devices, Local, Ray, _configuration, _worker, over_keys
from seriatim.parallel._configuration import HERE, RESULTS, configuration, in_this_process, in_this_thread

KEYS = np.arange(4)
# Another value of every option that JAX lets one thread have for itself.
OTHERS = {
    "jax_enable_x64": True,
    "jax_default_matmul_precision": "float32",
    "jax_allow_f16_reductions": False,
    "jax_numpy_dtype_promotion": "strict",
    "jax_numpy_rank_promotion": "raise",
    "jax_softmax_custom_jvp": True,
    "jax_threefry_partitionable": False,
    "jax_default_prng_impl": "rbg",
    "jax_enable_custom_prng": True,
    "jax_legacy_prng_key": "error",
    "jax_debug_nans": True,
    "jax_debug_infs": True,
    "jax_debug_key_reuse": True,
    "jax_check_tracer_leaks": True,
    "jax_enable_checks": True,
    "jax_disable_jit": True,
    "jax_default_device": jax.devices()[0],
}
KNOWN = [name for name in OTHERS if hasattr(jax, name.removeprefix("jax_"))]
# What a traced program depends on by JAX's own account, and results do not: names of scopes, meshes (which belong to
# the arrays), how programs are written down or lowered on accelerators, and guards that raise in the calling thread.
NOT_RESULTS = {
    *("jax_remove_size_one_mesh_axis_from_type", "jax_hlo_source_file_canonicalization_regex", "jax_enable_pgle"),
    *("jax_pgle_profiling_runs", "jax_auto_pcast", "jax_use_emit_pipeline_primitive", "jax_no_execution"),
    *("jax_xla_profile_version", "jax_use_shardy_partitioner", "jax_ragged_dot_use_gpu_pallas_triton_lowering"),
    *("jax_pallas_enable_debug_checks", "jax_pallas_use_mosaic_gpu", "jax_threefry_gpu_kernel_lowering"),
    *("jax_use_simplified_jaxpr_constants", "jax_embedded_constants_max_bytes", "jax_scan3", "jax_remat3"),
    "jax_custom_vjp3",
}


def value_of(name):
    return jax.config.values[name]


def told(name, value):
    """Set an option for this thread."""
    return getattr(jax, name.removeprefix("jax_"))(value)


@pytest.mark.parametrize("on", [Local(1), Local(2), Devices()], ids=str)
@pytest.mark.parametrize("name", KNOWN)
def test_an_option_of_the_calling_thread_holds_in_the_threads_that_work(on, name):
    seen, here = [], threading.get_ident()

    def work(shared, inputs, keys):
        assert threading.get_ident() != here
        seen.append(value_of(name))
        return keys

    before = value_of(name)
    with told(name, OTHERS[name]):
        wanted = value_of(name)
        list(on.run(work, None, lambda number: (None, KEYS), 2))
    assert wanted != before
    assert seen == [wanted, wanted]
    assert value_of(name) == before


@pytest.mark.parametrize("on", [None, Local(2), Devices()], ids=str)
def test_numbers_have_64_bits_where_the_calling_thread_has_them(on):
    def work(shared, inputs, keys):
        return inputs * shared + 2.0**-40

    with jax.enable_x64():
        keys = jax.random.split(jax.random.key(0), 3)
        found = over_keys(work, keys, shared=jnp.float64(2.0), inputs=jnp.arange(3.0), part=2, on=on)
    assert found.dtype == np.float64
    assert found.tolist() == [2.0**-40, 2 + 2.0**-40, 4 + 2.0**-40]


def test_the_options_are_those_where_the_work_is_asked_for_however_late_it_is_begun():
    with jax.enable_x64():
        work = Local(1).run(lambda *_: value_of("jax_enable_x64"), None, lambda number: (None, KEYS), 1)
    assert list(work) == [(0, True)]


def test_an_option_that_no_other_thread_can_be_given_is_refused():
    said = r"set it for the whole program: jax\.config\.update\('jax_random_seed_offset', 7\)"
    with pytest.raises(st.InputError, match=said), in_this_thread({"jax_random_seed_offset": 7}):
        pass


@contextlib.contextmanager
def as_before():
    """Set all options back."""
    before = configuration()
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


@pytest.mark.parametrize("name", sorted(set(OTHERS) - set(HERE)))
def test_every_option_is_sent_to_other_processes_and_put_in_force_there(name, monkeypatch):
    forgotten = []
    monkeypatch.setattr(jax, "clear_caches", lambda: forgotten.append(name))
    with as_before():
        jax.config.update(name, OTHERS[name])
        sent, wanted = configuration(elsewhere=True), value_of(name)
    assert value_of(name) != wanted
    with as_before():
        in_this_process(sent)
        assert value_of(name) == wanted
        in_this_process(sent)
    assert forgotten == [name]  # once: nothing is compiled again for the next part


def test_a_worker_makes_its_arrays_under_the_configuration(monkeypatch):
    """Without Ray: the worker's own function, which has found in the store what the program has put there."""
    monkeypatch.setattr(jax, "clear_caches", lambda: None)
    with jax.enable_x64():
        sent = configuration(elsewhere=True)
    shared = (lambda shared, inputs, keys: keys + jnp.asarray(shared)), np.float64(2.0**-40), sent
    with as_before():
        monkeypatch.setitem(_worker._UNPACKED, "reference", shared)
        (found,) = _worker.work(["reference"], [(None, np.ones(2))])
    assert found.dtype == np.float64
    assert found.tolist() == [1 + 2.0**-40] * 2


def test_a_worker_whose_jax_does_not_know_an_option_says_so():
    with pytest.raises(st.InputError, match="of a worker does not know jax_unheard_of, which the program has set"):
        in_this_process({"jax_unheard_of": True})


def test_all_that_jax_says_its_programs_depend_on_has_been_thought_of():
    """A new version of JAX may have new options; this says which."""
    names = getattr(_configuration.jax._src.config, "trace_context_names", None)
    if names is None:
        pytest.skip("this version of JAX does not say")
    assert {name for name in names() if name.startswith("jax_")} <= {*RESULTS, *HERE, *NOT_RESULTS}


def seen(shared, inputs, keys):
    return np.stack([np.asarray(value_of(name) == shared[name]) for name in shared])[None].repeat(len(keys), 0)


@pytest.mark.slow
def test_options_hold_on_ray():
    """One worker is given work under one configuration after another."""
    ray, keys, zeros = Ray(workers=1), jax.random.split(jax.random.key(0), 2), jnp.zeros(2)
    others = {name: value for name, value in OTHERS.items() if name not in (*HERE, "jax_disable_jit")}
    for name, other in others.items():
        with as_before():
            jax.config.update(name, other)
            # Other options hold as they are.
            wanted = {known: value_of(known) for known in OTHERS if known not in HERE}
            assert over_keys(seen, keys, shared=wanted, part=2, on=ray).all(), name
    with jax.enable_x64():
        found = over_keys(lambda shared, x, _: x + shared, keys, shared=jnp.float64(2.0**-40), inputs=zeros, on=ray)
    assert found.dtype == np.float64
    assert over_keys(lambda shared, x, _: x + 2.0**-40, keys, inputs=zeros, on=ray).dtype == np.float32
