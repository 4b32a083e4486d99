"""Structured output prediction: the lower half of a binarised digit, given the upper half, through discrete choices.

    minimise  E[-log p(lower | z)],   z ~ p(z | upper)

z are independent categorical variables whose logits a network reads off the upper half; another network turns the
choices into log-odds of the 32 pixels below. What is minimised bounds `-log p(lower | upper)` from above, and by
Jensen's inequality more samples bound it closer:

    -log p(lower | upper)  <=  E[-log 1/m sum_i p(lower | z_i)]  <=  E[-log p(lower | z)].

Source: E. Jang, S. Gu, B. Poole, Categorical Reparameterization with Gumbel-Softmax, 2017, section 4.1, after T. Raiko,
M. Berglund, G. Alain, L. Dinh, Techniques for Learning Binary Stochastic Feedforward Neural Networks, 2015.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import seriatim as st
from seriatim.model import Key

PIXELS = 32


@st.record
class Halves:
    """Digits cut in two, pixels 0 or 1.

    Attributes:
        upper: what is given, `[digits, 32]`.
        lower: what is to be predicted, `[digits, 32]`.
    """

    upper: Float[Array, "digits pixels"]
    lower: Float[Array, "digits pixels"]


@st.record
class Predictor:
    """Two networks of one hidden layer of tanh units.

    Attributes:
        encoder: upper half to logits of the choices.
        decoder: choices to log-odds of the pixels below.
        variables: number of categorical choices.
    """

    encoder: tuple[eqx.nn.Linear, eqx.nn.Linear]
    decoder: tuple[eqx.nn.Linear, eqx.nn.Linear]
    variables: int = st.static()

    def logits(self, upper: Float[Array, " pixels"]) -> Float[Array, "variables c"]:
        return _through(self.encoder, upper).reshape(self.variables, -1)

    def log_odds(self, choices: Float[Array, "variables c"]) -> Float[Array, " pixels"]:
        return _through(self.decoder, choices.ravel())


def predictor(
    key: Key, *, pixels: int = PIXELS, variables: int = 8, categories: int = 10, hidden: int = 64
) -> Predictor:
    """Draw the networks a training starts from."""
    keys = jax.random.split(key, 4)
    chosen = variables * categories
    encoder = (eqx.nn.Linear(pixels, hidden, key=keys[0]), eqx.nn.Linear(hidden, chosen, key=keys[1]))
    decoder = (eqx.nn.Linear(chosen, hidden, key=keys[2]), eqx.nn.Linear(hidden, pixels, key=keys[3]))
    return Predictor(encoder, decoder, variables)


def surprise(
    model: Predictor, choices: Float[Array, "variables c"], lower: Float[Array, " pixels"]
) -> Float[Array, ""]:
    """Return `-log p(lower | choices)` in nats."""
    log_odds = model.log_odds(choices)
    return jnp.sum(jax.nn.softplus(log_odds) - lower * log_odds)


def negative_log_likelihood(model: Predictor, digits: Halves, key: Key, *, num_samples: int) -> Float[Array, ""]:
    """Estimate the mean of `-log p(lower | upper)`, nats a digit, with `num_samples` for each digit.

    Its expectation is an upper bound, and falls to the likelihood as the samples become many.
    """

    def one(upper: Float[Array, " pixels"], lower: Float[Array, " pixels"], key: Key) -> Float[Array, ""]:
        logits = jnp.broadcast_to(model.logits(upper), (num_samples, *model.logits(upper).shape))
        choices = jax.nn.one_hot(st.distributions.gumbel_max(logits, key), logits.shape[-1])
        found = jax.vmap(lambda z: -surprise(model, z, lower))(choices)
        return jnp.log(num_samples) - jax.nn.logsumexp(found)

    return jnp.mean(jax.vmap(one)(digits.upper, digits.lower, jax.random.split(key, len(digits.upper))))


def load() -> tuple[Halves, Halves, Halves]:
    """Return scikit-learn's 1,797 digits, split once and for all: 1,197 to train, 300 to choose by, 300 to test.

    8 x 8 pixels of 17 shades, of E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998. A pixel
    is 1 from half of the ink on.
    """
    from sklearn.datasets import load_digits

    images = load_digits().images
    order = np.random.default_rng(0).permutation(len(images))
    pixels = jnp.asarray((images >= 8)[order].reshape(-1, 2 * PIXELS), jnp.float32)
    parts = (pixels[:1197], pixels[1197:1497], pixels[1497:])
    train, validation, test = (Halves(part[:, :PIXELS], part[:, PIXELS:]) for part in parts)
    return train, validation, test


def _through(layers: tuple[eqx.nn.Linear, eqx.nn.Linear], x: Float[Array, " n"]) -> Float[Array, " k"]:
    return layers[1](jnp.tanh(layers[0](x)))
