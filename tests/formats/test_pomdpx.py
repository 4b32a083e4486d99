"""PomdpX files: the tables of the same problem in Cassandra's format; products of variables against sums by hand."""

import contextlib
import itertools
import re

import numpy as np
import pytest

from seriatim._errors import InputError
from seriatim.formats import TeamPOMDP, TeamTables, load, save

TIGER = """<?xml version="1.0" encoding="ISO-8859-1"?>
<pomdpx version="0.1" id="tiger" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<Description>A tiger behind one of two doors &amp; gold behind the other.</Description>
<Discount> 0.95 </Discount>
<Variable>
  <StateVar vnamePrev="tiger0" vnameCurr="tiger1"><ValueEnum>left right</ValueEnum></StateVar>
  <ActionVar vname="move"><ValueEnum>listen open-left open-right</ValueEnum></ActionVar>
  <ObsVar vname="noise"><NumValues>2</NumValues></ObsVar>
  <RewardVar vname="reward"/>
</Variable>
<InitialStateBelief><CondProb>
  <Var>tiger0</Var><Parent>null</Parent>
  <Parameter type="TBL"><Entry><Instance>-</Instance><ProbTable>uniform</ProbTable></Entry></Parameter>
</CondProb></InitialStateBelief>
<StateTransitionFunction><CondProb>
  <Var>tiger1</Var><Parent>move tiger0</Parent>
  <Parameter>
    <Entry><Instance>* - -</Instance><ProbTable>uniform</ProbTable></Entry>
    <Entry><Instance>listen - -</Instance><ProbTable>identity</ProbTable></Entry>
  </Parameter>
</CondProb></StateTransitionFunction>
<ObsFunction><CondProb>
  <Var>noise</Var><Parent>tiger1 move</Parent>
  <Parameter type="TBL">
    <Entry><Instance>* * *</Instance><ProbTable>0.5</ProbTable></Entry>
    <Entry><Instance>- listen -</Instance><ProbTable>0.85 0.15 0.15
      0.85</ProbTable></Entry>
  </Parameter>
</CondProb></ObsFunction>
<RewardFunction><Func>
  <Var>reward</Var><Parent>move tiger0 noise</Parent>
  <Parameter type="TBL">
    <Entry><Instance>* * *</Instance><ValueTable>10</ValueTable></Entry>
    <Entry><Instance>listen * *</Instance><ValueTable>-1</ValueTable></Entry>
    <Entry><Instance>open-left left -</Instance><ValueTable>-100 -90</ValueTable></Entry>
    <Entry><Instance>open-right - *</Instance><ValueTable>10 -1e2</ValueTable></Entry>
  </Parameter>
</Func></RewardFunction>
</pomdpx>
"""
SAME = """
discount: 0.95
values: reward
states: left right
actions: listen open-left open-right
observations: o0 o1
T: * uniform
T: listen identity
O: * uniform
O: listen
0.85 0.15
0.15 0.85
R: * : * : * : * 10
R: listen : * : * : * -1
R: open-left : left : * : o0 -100
R: open-left : left : * : o1 -90
R: open-right : right : * : * -100
"""
ROVER = """<pomdpx>
<Discount>0.9</Discount>
<Variable>
  <StateVar vnamePrev="at0" vnameCurr="at1" fullyObs="true"><NumValues>3</NumValues></StateVar>
  <StateVar vnamePrev="rock0" vnameCurr="rock1" fullyObs="false"><ValueEnum>good bad</ValueEnum></StateVar>
  <ActionVar vname="move"><ValueEnum>stay go</ValueEnum></ActionVar>
  <ActionVar vname="arm"><ValueEnum>rest dig</ValueEnum></ActionVar>
  <ObsVar vname="smell"><ValueEnum>fresh foul</ValueEnum></ObsVar>
  <ObsVar vname="light"><ValueEnum>on off</ValueEnum></ObsVar>
  <RewardVar vname="pay"/><RewardVar vname="cost"/>
</Variable>
<InitialStateBelief>
  <CondProb><Var>at0</Var><Parent>null</Parent><Parameter>
    <Entry><Instance>s1</Instance><ProbTable>1.0</ProbTable></Entry></Parameter></CondProb>
  <CondProb><Var>rock0</Var><Parent>at0</Parent><Parameter>
    <Entry><Instance>* -</Instance><ProbTable>0.3 0.7</ProbTable></Entry></Parameter></CondProb>
</InitialStateBelief>
<StateTransitionFunction>
  <CondProb><Var>rock1</Var><Parent>rock0 at1 arm</Parent><Parameter>
    <Entry><Instance>- * * -</Instance><ProbTable>identity</ProbTable></Entry>
    <Entry><Instance>good s2 dig -</Instance><ProbTable>0.2 0.8</ProbTable></Entry></Parameter></CondProb>
  <CondProb><Var>at1</Var><Parent>move at0</Parent><Parameter>
    <Entry><Instance>stay - -</Instance><ProbTable>identity</ProbTable></Entry>
    <Entry><Instance>go - -</Instance><ProbTable>0 1 0  0 0.5 0.5  0 0 1</ProbTable></Entry></Parameter></CondProb>
</StateTransitionFunction>
<ObsFunction>
  <CondProb><Var>light</Var><Parent>smell at1</Parent><Parameter>
    <Entry><Instance>* * -</Instance><ProbTable>0.5 0.5</ProbTable></Entry>
    <Entry><Instance>foul s0 -</Instance><ProbTable>0.9 0.1</ProbTable></Entry></Parameter></CondProb>
  <CondProb><Var>smell</Var><Parent>rock1</Parent><Parameter>
    <Entry><Instance>- -</Instance><ProbTable>0.8 0.2 0.1 0.9</ProbTable></Entry></Parameter></CondProb>
</ObsFunction>
<RewardFunction>
  <Func><Var>pay</Var><Parent>arm rock0 light</Parent><Parameter>
    <Entry><Instance>dig good on</Instance><ValueTable>7</ValueTable></Entry></Parameter></Func>
  <Func><Var>cost</Var><Parent>at1 move</Parent><Parameter>
    <Entry><Instance>- go</Instance><ValueTable>-1 -2 -3</ValueTable></Entry></Parameter></Func>
</RewardFunction>
</pomdpx>
"""
WEATHER = """<pomdpx><Discount>1</Discount>
<Variable>
  <StateVar vnamePrev="now" vnameCurr="then" fullyObs="true"><ValueEnum>calm storm</ValueEnum></StateVar>
  <ActionVar vname="move"><NumValues>2</NumValues></ActionVar>
  <RewardVar vname="pay"/>
</Variable>
<InitialStateBelief><CondProb><Var>now</Var><Parent>null</Parent><Parameter>
  <Entry><Instance>*</Instance><ProbTable>0.5</ProbTable></Entry></Parameter></CondProb></InitialStateBelief>
<StateTransitionFunction><CondProb><Var>then</Var><Parent>now move</Parent><Parameter>
  <Entry><Instance>- * -</Instance><ProbTable>identity</ProbTable></Entry></Parameter></CondProb>
</StateTransitionFunction>
<RewardFunction><Func><Var>pay</Var><Parent>move</Parent><Parameter>
  <Entry><Instance>a0</Instance><ValueTable>3</ValueTable></Entry></Parameter></Func></RewardFunction></pomdpx>
"""


@pytest.fixture
def read(tmp_path):
    def read(text, name="problem.pomdpx"):
        (tmp_path / name).write_text(text, encoding="latin-1")
        return load(tmp_path / name)

    return read


def test_the_same_problem_has_the_same_tables_in_both_formats(read):
    model, same = read(TIGER), read(SAME, "same.pomdp")
    assert model.tables == same.tables
    assert (model.discount, model.observed) == (same.discount, False)


def by_hand():
    """The tables of the rover, one combination at a time."""
    rock = np.tile(np.eye(2)[:, None, None, :], (1, 3, 2, 1))  # before, place after, arm, after
    rock[0, 2, 1] = [0.2, 0.8]
    at = np.stack([np.eye(3), [[0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]]])
    light = np.full((2, 3, 2), 0.5)
    light[1, 0] = [0.9, 0.1]
    smell = np.array([[0.8, 0.2], [0.1, 0.9]])
    transition, observation, cost = np.zeros((4, 6, 6)), np.zeros((4, 6, 12)), np.zeros((4, 6, 6))
    for (move, arm), (p, r), (q, t) in itertools.product(*(np.ndindex(*n) for n in ((2, 2), (3, 2), (3, 2)))):
        a, s, after = 2 * move + arm, 2 * p + r, 2 * q + t
        transition[a, s, after] = at[move, p, q] * rock[r, q, arm, t]
        seen = {(y, z): smell[t, y] * light[y, q, z] for y, z in np.ndindex(2, 2)}
        for (y, z), chance in seen.items():
            observation[a, after, (2 * y + z) * 3 + q] = chance
            cost[a, s, after] -= 7 * chance * (arm == 1 and r == 0 and z == 0)
        cost[a, s, after] += (q + 1) * (move == 1)
    return transition, observation, cost


def test_variables_are_multiplied_out(read):
    tables = read(ROVER).tables
    transition, observation, cost = by_hand()
    np.testing.assert_allclose(tables.transition, transition, rtol=0, atol=1e-15)
    np.testing.assert_allclose(tables.observation, observation, rtol=0, atol=1e-15)
    np.testing.assert_allclose(tables.cost, cost, rtol=0, atol=1e-14)
    np.testing.assert_allclose(tables.start, [0, 0, 0.3, 0.7, 0, 0])
    assert tables.states == ("s0/good", "s0/bad", "s1/good", "s1/bad", "s2/good", "s2/bad")
    assert tables.actions == (("stay/rest", "stay/dig", "go/rest", "go/dig"),)
    assert tables.observations[0][:4] == ("fresh/on/s0", "fresh/on/s1", "fresh/on/s2", "fresh/off/s0")


def test_where_all_is_observed_it_is_a_markov_decision_process(read):
    model = read(WEATHER)
    assert model.observed
    assert (model.tables.observation == np.eye(2)).all()
    assert model.tables.observations == (("calm", "storm"),)
    assert model.tables.start.tolist() == [0.5, 0.5]
    assert model.tables.cost[:, :, 0].tolist() == [[-3, -3], [0, 0]]


LAUGHS = '<!DOCTYPE pomdpx [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>\n<pomdpx>&b;</pomdpx>'
OUTSIDE = '<!DOCTYPE pomdpx [<!ENTITY a SYSTEM "/etc/hostname">]>\n<pomdpx>&a;</pomdpx>'
MISTAKES = {
    "laughs": (LAUGHS, "line 1: an entity is declared; write what it stands for in its place."),
    "outside": (OUTSIDE, "line 1: an entity is declared"),
    "deep": ("<pomdpx>\n" + "<a>" * 2000, "line 2: <a> stands inside 1000 others"),
    "no XML": ("<pomdpx>\n<Discount></pomdpx>", "line 2: the file is no well-formed XML (mismatched tag); correct it."),
    "encoding": ('<?xml version="1.0" encoding="klingon"?><pomdpx/>', "is no well-formed XML (unknown encoding)"),
    "another": ("<svg/>", "line 1: the document is <svg>; <pomdpx> is expected."),
    "nothing": ("<pomdpx/>", "line 1: <pomdpx> has 0 elements <Variable>; write one."),
    "unknown": ("<pomdpx>\n<Rules/></pomdpx>", "line 2: 'Rules' is no element of <pomdpx>; write <Description>, <Disc"),
    "diagram": (
        TIGER.replace('"TBL"', '"DD"', 1),
        "line 13: decision diagrams are not read; write a table, type='TBL'.",
    ),
    "value": (
        TIGER.replace("open-left left -", "open-left up -"),
        "'up' is no tiger0; write one of left, right, * or -.",
    ),
    "number": (TIGER.replace("0.85 0.15 0.15", "0.85 0.15 x"), "'x' is no probability from 0 to 1; write one."),
    "chance": (TIGER.replace("0.85 0.15 0.15", "0.85 -0.15 1.15"), "'-0.15' is no probability from 0 to 1"),
    "count": (TIGER.replace("-100 -90", "-100"), "1 numbers stand here; write 2 (2)."),
    "words": (TIGER.replace("listen * *", "listen *"), "2 words stand for move tiger0 noise; write one for each."),
    "sum": (
        TIGER.replace("0.85 0.15 0.15", "0.85 0.05 0.15"),
        "of noise given tiger1 = left, move = listen sum to 0.9",
    ),
    "parent": (
        TIGER.replace("<Parent>move tiger0<", "<Parent>move sky<"),
        "'sky' is nothing that tiger1 can depend on",
    ),
    "old": (
        TIGER.replace("<Parent>tiger1 move", "<Parent>tiger0 move"),
        "'tiger0' is nothing that noise can depend on",
    ),
    "var": (TIGER.replace("<Var>reward", "<Var>prize"), "'prize' is not what stands here; write one of reward."),
    "discount": (TIGER.replace("0.95", "1.5"), "line 4: the discount is '1.5'; write a number above 0 and at most 1."),
    "many": (
        TIGER.replace("<NumValues>2", "<NumValues>100001"),
        "'100001' values; write a whole number from 1 to 100,",
    ),
    "large": (
        TIGER.replace("<NumValues>2", "<NumValues>99999").replace("left right", " ".join(f"v{i}" for i in range(102))),
        "line 5: all combinations make 102 states, 3 actions and 99,999 observations, which need 30,",
    ),
    "twice": (TIGER.replace('"noise"', '"move"'), "'move' names two variables; rename one."),
    "missing": (
        re.sub(r"<CondProb>\s*<Var>tiger1.*?</CondProb>", "", TIGER, flags=re.DOTALL),
        "<StateTransitionFunction> says nothing of tiger1",
    ),
    "identity": (TIGER.replace("<ProbTable>uniform", "<ProbTable>identity", 1), "identity stands for a square matrix"),
    "reward twice": (re.sub(r"(<Func>.*</Func>)", r"\1\1", TIGER, flags=re.DOTALL), "reward has its values already"),
    "no reward": (re.sub(r"<Func>.*</Func>", "", TIGER, flags=re.DOTALL), "<RewardFunction> says nothing of reward"),
    "probability twice": (
        re.sub(r"(<CondProb>\s*<Var>noise.*?</CondProb>)", r"\1\1", TIGER, flags=re.DOTALL),
        "already",
    ),
    "many rewards": (
        TIGER.replace('<RewardVar vname="reward"/>', "".join(f'<RewardVar vname="r{i}"/>' for i in range(65))),
        "line 5: there are 65 <RewardVar>; at most 64 can be read.",
    ),
    "random place": (
        ROVER.replace("<Instance>s1</Instance><ProbTable>1.0", "<Instance>-</Instance><ProbTable>uniform"),
        "at0 is fully observed and its first value is random",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence_with_its_line(read, text, sentence):
    with pytest.raises(
        InputError, match=rf"problem\.pomdpx, line \d+: .*{re.escape(sentence.split(': ', 1)[-1])}"
    ) as seen:
        read(text)
    assert sentence in str(seen.value)


def test_a_circle_of_variables_is_refused(read):
    text = ROVER.replace("<Parent>move at0<", "<Parent>move rock1<")
    text = text.replace("stay - -</Instance><ProbTable>identity", "stay * -</Instance><ProbTable>uniform")
    text = text.replace("go - -</Instance><ProbTable>0 1 0  0 0.5 0.5  0 0 1", "go * -</Instance><ProbTable>uniform")
    with pytest.raises(InputError, match="depends on itself, by way of others; break the circle"):
        read(text)


def test_a_damaged_file_is_a_model_or_one_sentence(read):
    rng = np.random.default_rng(0)
    text = np.array(list(TIGER))
    for _ in range(60):
        spoilt = text.copy()
        spoilt[rng.integers(0, len(text), 2)] = rng.choice(list('<>"/ -*19x&'), 2)
        with contextlib.suppress(InputError):
            read("".join(spoilt))


def entries(table, axes, tag="ProbTable"):
    """Write a table entry by entry: a name of each axis but the last, and the numbers along that."""
    return "".join(
        f"<Entry><Instance>{' '.join(names[i] for names, i in zip(axes, at, strict=False))} -</Instance>"
        f"<{tag}>{' '.join(map(repr, table[at].tolist()))}</{tag}></Entry>\n"
        for at in np.ndindex(table.shape[:-1])
    )


def written(tables, discount):
    """A `.pomdpx` file of one state, action and observation variable."""
    (actions,), states, (seen,) = tables.actions, tables.states, tables.observations
    kinds = (
        ("StateVar vnamePrev='s' vnameCurr='t'", states),
        ("ActionVar vname='a'", actions),
        ("ObsVar vname='o'", seen),
    )
    declared = "".join(f"<{head}><ValueEnum>{' '.join(some)}</ValueEnum></{head.split()[0]}>" for head, some in kinds)
    tables_of = {
        "InitialStateBelief": ("s", "null", entries(tables.start, ())),
        "StateTransitionFunction": ("t", "a s", entries(tables.transition, (actions, states))),
        "ObsFunction": ("o", "a t", entries(tables.observation, (actions, states))),
    }
    return (
        f"<pomdpx><Discount>{discount!r}</Discount><Variable>{declared}<RewardVar vname='r'/></Variable>"
        + "".join(
            f"<{tag}><CondProb><Var>{var}</Var><Parent>{of}</Parent><Parameter>{rows}</Parameter></CondProb></{tag}>"
            for tag, (var, of, rows) in tables_of.items()
        )
        + "<RewardFunction><Func><Var>r</Var><Parent>a s t</Parent><Parameter>"
        + entries(-tables.cost, (actions, states), "ValueTable")
        + "</Parameter></Func></RewardFunction></pomdpx>"
    )


@pytest.mark.parametrize("seed", range(4))
def test_random_problems_are_the_same_in_both_formats_to_the_last_bit(read, tmp_path, seed):
    rng = np.random.default_rng(seed)
    s, a, o = rng.integers(1, 5, 3)
    tables = TeamTables(
        transition=rng.dirichlet(np.ones(s), (a, s)),
        observation=rng.dirichlet(np.ones(o), (a, s)),
        cost=rng.normal(size=(a, s, s)),
        start=rng.dirichlet(np.ones(s)),
        states=tuple(f"x{i}" for i in range(s)),
        actions=(tuple(f"u{i}" for i in range(a)),),
        observations=(tuple(f"y{i}" for i in range(o)),),
    )
    save(TeamPOMDP(tables, 0.75), tmp_path / "same.pomdp")
    assert read(written(tables, 0.75)).tables == load(tmp_path / "same.pomdp").tables == tables
