"""A report has one line for all the laws that were not checked."""

from seriatim.testing._report import NOT_CHECKED, Broken, Law, NotApplicable, examine


def broken():
    raise Broken("Model.transition returned None.")


def elsewhere():
    raise NotApplicable("the model is not finite")


def test_what_follows_a_broken_vital_law_is_one_line():
    laws = [Law("sizes", lambda: "2 agents", vital=True), Law("transition", broken, vital=True)]
    report = examine([*laws, *[Law(f"law {i}", broken) for i in range(9)]])
    assert str(report).splitlines() == [
        "ok    sizes: 2 agents",
        "WRONG transition: Model.transition returned None.",
        f"--    9 more laws: {NOT_CHECKED}",
    ]
    assert len(report.findings) == 11  # each is kept


def test_laws_that_do_not_apply_keep_their_names():
    report = examine([Law("states", elsewhere), Law("outcomes", elsewhere)])
    assert str(report).splitlines() == [
        "--    states: the model is not finite",
        "--    outcomes: the model is not finite",
    ]


def test_one_law_that_was_not_checked_keeps_its_name():
    report = examine([Law("transition", broken, vital=True), Law("pure", lambda: "yes")])
    assert str(report).splitlines()[1] == f"--    pure: {NOT_CHECKED}"
