"""Tables of a model: the same `f` and `g`, with the disturbance summed out."""

from seriatim._record import with_fields
from seriatim.exact._rows import as_sparse
from seriatim.exact._sources import source
from seriatim.exact._tables import Tables
from seriatim.model import Model


def tabulate(model: Model, *, dense: bool = False) -> Tables:
    """Enumerate every outcome of every joint control at every state.

    Outcomes that are `done` add to the cost and to no transition. Inadmissible and infeasible joint controls cost
    infinity. Probabilities are rescaled to sum to one in double precision.

    Args:
        model: a finite model.
        dense: keep transitions as an array of `s * a * s` numbers; by default sparse.

    Raises:
        InputError: the model is not finite, has too many joint controls, or its outcomes break the laws.
    """
    found = source(model)
    rows = found.joint_rows()
    tables = Tables(rows.costs, rows.transitions, rows.discount, found.num_agents)
    # Tables takes a small chance of ending for a user's rounding; the model's is no accident.
    return with_fields(tables, transitions=as_sparse(rows.transitions).toarray() if dense else rows.transitions)
