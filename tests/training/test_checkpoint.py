"""What is written is read again, bit for bit; what is not a checkpoint is refused in a sentence."""

import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as some

import seriatim as st
from seriatim.training.runs._checkpoint import about_checkpoint, load_checkpoint, save_checkpoint

TYPES = ["float32", "bfloat16", "float16", "int8", "int32", "uint32", "bool", "float8_e4m3fn", "complex64"]


def bits(array):
    numbers = np.asarray(jax.random.key_data(array) if jnp.issubdtype(array.dtype, jax.dtypes.prng_key) else array)
    return numbers.dtype, numbers.shape, numbers.tobytes()


@given(data=some.data())
def test_any_tree_of_arrays_comes_back_bit_for_bit(data, tmp_path_factory):
    shapes = some.lists(some.integers(0, 3), max_size=3).map(tuple)
    rng = np.random.default_rng(data.draw(some.integers(0, 2**32 - 1)))

    def array(kind_and_shape):
        kind, shape = kind_and_shape
        raw = rng.integers(0, 256, size=(*shape, jnp.dtype(kind).itemsize), dtype=np.uint8)
        filled = raw % 2 if kind == "bool" else raw
        return np.ascontiguousarray(filled).view(jnp.dtype(kind))[..., 0]

    leaves = some.tuples(some.sampled_from(TYPES), shapes).map(array)
    tree = data.draw(
        some.recursive(
            leaves,
            lambda inner: (
                some.lists(inner, max_size=3)
                | some.dictionaries(some.text(max_size=3), inner, max_size=3)
                | some.tuples(inner, inner)
            ),
            max_leaves=5,
        )
    )
    path = tmp_path_factory.mktemp("checkpoint") / "state.safetensors"
    save_checkpoint(path, tree)
    template = jax.tree.map(np.zeros_like, tree)
    found = load_checkpoint(path, template)
    assert jax.tree.structure(found) == jax.tree.structure(tree)
    assert [bits(leaf) for leaf in jax.tree.leaves(found)] == [bits(leaf) for leaf in jax.tree.leaves(tree)]


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_keys_come_back_as_keys(tmp_path, impl):
    keys = jax.random.split(jax.random.key(3, impl=impl), 2)
    save_checkpoint(tmp_path / "k", {"key": keys, "old": jax.random.PRNGKey(4)})
    template = {"key": jax.random.split(jax.random.key(0, impl=impl), 2), "old": jax.random.PRNGKey(0)}
    found = load_checkpoint(tmp_path / "k", template)
    assert found["key"].dtype == keys.dtype
    assert np.array_equal(jax.random.key_data(found["key"]), jax.random.key_data(keys))
    assert np.array_equal(found["old"], jax.random.PRNGKey(4))


def test_a_part_is_read_by_its_place(tmp_path):
    save_checkpoint(tmp_path / "c", {"net": {"w": jnp.arange(3.0), "b": jnp.ones(())}, "step": jnp.int32(7)})
    found = load_checkpoint(tmp_path / "c", {"w": jnp.zeros(3), "b": jnp.zeros(())}, part="['net']")
    assert found["w"].tolist() == [0, 1, 2]
    assert float(found["b"]) == 1
    assert float(load_checkpoint(tmp_path / "c", jnp.zeros(()), part="['net']['b']")) == 1
    assert int(load_checkpoint(tmp_path / "c", jnp.int32(0), part="['step']")) == 7


def test_a_part_is_not_what_begins_alike(tmp_path):
    @st.record
    class State:
        policy: dict
        policy_before: dict

    save_checkpoint(tmp_path / "c", State({"w": jnp.ones(2)}, {"w": jnp.zeros(2)}))
    assert load_checkpoint(tmp_path / "c", {"w": jnp.zeros(2)}, part=".policy")["w"].tolist() == [1, 1]


def test_what_is_said_about_it_is_read_without_its_arrays(tmp_path):
    save_checkpoint(tmp_path / "c", GOOD, {"step": 3, "cost": None})
    assert about_checkpoint(tmp_path / "c") == {"step": 3, "cost": None}
    with pytest.raises(st.InputError, match="no such file; give the path of a checkpoint"):
        about_checkpoint(tmp_path / "nowhere")


def test_others_may_read_what_the_user_lets_them_read(tmp_path):
    (tmp_path / "any").write_text("")
    save_checkpoint(tmp_path / "c", GOOD)
    assert (tmp_path / "c").stat().st_mode == (tmp_path / "any").stat().st_mode


GOOD = {"w": jnp.zeros((2, 3)), "n": jnp.int32(0)}


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ({"w": jnp.zeros((2, 4)), "n": jnp.int32(0)}, r"\['w'\] is float32\[2, 3\], where float32\[2, 4\] is expected"),
        ({"w": jnp.zeros((2, 3), jnp.bfloat16), "n": jnp.int32(0)}, r"where bfloat16\[2, 3\] is expected"),
        ({"w": jnp.zeros((2, 3))}, r"has \['n'\], unlike what it is to be read into"),
        (GOOD | {"v": jnp.zeros(1)}, r"lacks \['v'\], unlike what it is to be read into"),
        (GOOD | {"n": jax.random.key(0)}, r"where key fry\[2\] is expected|where key threefry2x32\[2\] is expected"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, template, sentence):
    save_checkpoint(tmp_path / "c", GOOD)
    with pytest.raises(st.InputError, match=sentence):
        load_checkpoint(tmp_path / "c", template)


def damaged(content):
    """Cut off, empty, a text, a pickle, and with another header."""
    text, pickled = b"weights: 1, 2, 3\n", pickle.dumps({"w": [1.0]})
    return [content[: len(content) // 2], b"", text, pickled, b"\xff" * 16 + content[16:]]


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "c"
    save_checkpoint(path, GOOD)
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(st.InputError, match="is damaged, or no checkpoint"):
            load_checkpoint(path, GOOD)
    path.write_bytes(safetensors.numpy.save({"w": np.zeros(2)}))
    with pytest.raises(st.InputError, match="was not written as a checkpoint of seriatim"):
        load_checkpoint(path, GOOD)
    for head, sentence in (
        ({"format": "seriatim checkpoint 9"}, "is damaged, or no checkpoint .it does not say which version"),
        (
            {"seriatim": {"format": "seriatim checkpoint 9", "version": "7.0", "digest": ""}},
            "is of the format 'seriatim checkpoint 9', .* read it by seriatim 7.0, which wrote it",
        ),
    ):
        path.write_bytes(safetensors.numpy.save({"w": np.zeros(2)}, {"seriatim": json.dumps(head)}))
        with pytest.raises(st.InputError, match=sentence):
            load_checkpoint(path, GOOD)
    with pytest.raises(st.InputError, match="no such file; give the path of a checkpoint"):
        load_checkpoint(tmp_path / "nowhere", GOOD)


def test_no_flipped_bit_is_taken_for_a_number(tmp_path):
    """Every byte of the file in turn, header and all."""
    path, tree = tmp_path / "c", {"w": jnp.arange(4.0), "n": jnp.int32(5)}
    save_checkpoint(path, tree, {"step": 5})
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(st.InputError):
            load_checkpoint(path, tree)


def test_equal_trees_are_equal_files(tmp_path):
    for name in "abcdefgh":
        save_checkpoint(tmp_path / name, GOOD, {"step": 5, "cost": 1.5})
    assert len({(tmp_path / name).read_bytes() for name in "abcdefgh"}) == 1


def test_a_write_that_is_cut_short_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "c"
    save_checkpoint(path, GOOD)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, {"w": jnp.ones((2, 3)), "n": jnp.int32(1)})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
