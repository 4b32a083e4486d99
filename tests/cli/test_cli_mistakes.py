"""A mistake of the user's is one sentence that says what to do, and exit status 2; a fault of ours is status 1."""

import pytest

import seriatim as st
from seriatim._errors import users_frame
from seriatim.cli import _load

QUICK = ("--episodes", "2", "--horizon", "5", "--samples", "2")


@pytest.fixture(name="seriatim")
def _seriatim(seriatim, without_type_checks):
    """Run a command as a user does, who has no type checker: the mistakes are to be found by our own checks."""
    return lambda *arguments: without_type_checks(lambda: seriatim(*arguments))


# What is typed wrongly: found before a model is compiled.
TYPED = {
    "unknown model": (["compare", "spyders"], r"model spyders is unknown.*path/to/file\.py:name"),
    "no such file": (["check", "nowhere.py:Model"], r"nowhere\.py: no such file"),
    "file without name": (
        ["check", "{file}"],
        r"say what to take.* as in .*countdown\.py:name; it defines first_works",
    ),
    "unknown name": (["check", "{file}:Countdwn"], r"defines no Countdwn \(did you mean Countdown\?\); it defines "),
    "no model": (["check", "{file}:st"], r"is <module .*; a model is expected"),
    "unknown field": (["check", "{file}:Countdown", "--set", "strat=3"], r"no field strat \(did you mean start\?\)"),
    "wrong type": (
        ["check", "{file}:Countdown", "--set", "start=ten"],
        r"--set start=ten: start of Countdown is a whole number; give it as in --set start=3\.",
    ),
    "wrong option": (["check", "{file}:Countdown", "--set", "mood=sad"], r"mood of Countdown is calm or wild"),
    "not a number": (["check", "{file}:Countdown", "--set", "luck=nan"], r"luck=nan: luck of Countdown is a number"),
    "no value": (["check", "{file}:Countdown", "--set", "start"], r"--set start: give a field and its value"),
    "unknown policy": (
        ["compare", "{file}:Countdown", "--policies", "bas"],
        r"policy bas is unknown \(did you mean base",
    ),
    "policy twice": (["compare", "{file}:Countdown", "--policies", "base,base"], r"base is named 2 times"),
    "no policy": (["compare", "{file}:Countdown", "--policies", ","], r"give names separated by commas"),
    "two policies": (["run", "{file}:Countdown", "--policy", "base,standard"], r"one episode has one policy"),
    "negative samples": (
        ["compare", "{file}:Countdown", "--samples", "-1"],
        r"--samples -1: give a whole number from 1",
    ),
    "no horizon": (["compare", "{file}:Countdown", "--horizon", "0"], r"--horizon 0: give a whole number from 1 up"),
    "no episodes": (["compare", "{file}:Countdown", "--episodes", "0"], r"--episodes 0: give a whole number"),
    "seed in words": (
        ["compare", "{file}:Countdown", "--seed", "x"],
        r"--seed x: give a whole number from 0 to 4294967295",
    ),
    "seed too large": (["compare", "{file}:Countdown", "--seed", "4294967296"], r"--seed 4294967296: give"),
    "no budget": (["run", "{file}:Countdown", "--budget-ms", "0"], r"--budget-ms 0: give a number above 0"),
    "negative significance": (
        ["compare", "{file}:Countdown", "--significance", "-1"],
        r"--significance -1: give a number",
    ),
    "strange order": (["compare", "{file}:Countdown", "--order", "best"], r"--order best: give random, optimised, or"),
    "unknown format": (
        ["check", "{file}:Countdown", "--format", "xml"],
        r"'xml' is not one of .*see seriatim check --help",
    ),
    "unknown option": (["check", "{file}:Countdown", "--sed", "1"], r"No such option.*see seriatim check --help"),
    "no argument": (["compare"], r"Missing argument 'MODEL'; see seriatim compare --help"),
    "unknown command": (["compair", "x"], r"No such command 'compair'.*see seriatim --help"),
    "no tolerance": (["solve", "{file}:Countdown", "--tolerance", "0"], r"--tolerance 0: give a number above 0"),
    "not finite": (["solve", "{file}:Countdown"], r"has no states\(\); exact dynamic programming needs a finite model"),
    "optimum of a model that is not finite": (
        ["compare", "{file}:Countdown", "--policies", "base,optimal"],
        r"policy optimal takes a finite model, and .*countdown\.py:Countdown has no states\(\)",
    ),
    "unknown picture": (["run", "{file}:Countdown", "--save", "e.gif"], r"--save e\.gif: pictures are \.html"),
    "no model made": (["check", "{file}:first_works"], r"first_works needs state.*; give it with --set state="),
    "base that is none": (["compare", "{file}:Countdown", "--base", "{file}:st"], r"a policy is expected, a function"),
    "base that needs more": (
        ["compare", "{file}:Countdown", "--base", "{file}:Countdown"],
        r"cannot be called; a function \(state, key\)",
    ),
    "order of another team": (
        ["compare", "{file}:Countdown", "--order", "0,2", "--episodes", "2", "--horizon", "5"],
        r"order=\(0, 2\)",
    ),
    "no folder to save in": (["run", "{file}:Countdown", "--save", "no/where/e.html"], r"there is no folder"),
}


@pytest.mark.parametrize(("arguments", "pattern"), TYPED.values(), ids=TYPED)
def test_what_is_typed_wrongly(seriatim, write, refused, arguments, pattern):
    file = write()
    refused(seriatim(*(a.replace("{file}", str(file)) for a in arguments)), pattern)


# What is wrong in the user's file: (text of the file, what it is replaced by), and the sentence.
WRITTEN = {
    "syntax": (
        ("def initial_state(self, key):", "def initial_state(self, key)"),
        r"SyntaxError: .*countdown\.py, line {line}\b",
    ),
    "raises when loaded": (("ready = Countdown(start=2)", "1 / 0"), r"ZeroDivisionError.*countdown\.py, line {line}\)"),
    "exits when loaded": (("ready = Countdown(start=2)", "raise SystemExit(3)"), r"SystemExit: 3 .*countdown\.py"),
    "raises when made": (
        ("    def text(self", "    def __post_init__(self):\n        raise KeyError('x')\n\n    def text(self"),
        r"KeyError: 'x' \(.*countdown\.py, line \d+\)",
    ),
    "raises in transition": (
        ("after = state -", "after = {}['x'] -"),
        r"Countdown\.transition raised KeyError: 'x' \(.*countdown\.py, line {line}\)",
    ),
    "python if on an array": (
        ("after = state -", "after = 0 if state > 1 else state -"),
        r"Countdown\.transition decides on the value of an array",
    ),
    "wrong shape": (
        ("after.astype(jnp.int32),", "after[None].astype(jnp.int32),"),
        r"transition\(\.\.\.\)\.state is int32\[1\]",
    ),
    "wrong dtype": (("after.astype(jnp.int32)", "1.0 * after"), r"float32\[\], where int32\[\] is expected"),
    "no Transition": (("return st.Transition(", "return tuple(("), r"SyntaxError|Transition"),
    "NaN cost": (("1.0 * state,", "jnp.nan * state,"), r"stage cost nan"),
    "infinite cost": (("1.0 * state,", "state / 0.0,"), r"stage cost inf"),
    "mask with no control": (("jnp.ones((self.num", "jnp.zeros((self.num"), r"leaves agent 0 no admissible control"),
    "no agents": (
        ("num_agents: int = st.static(default=2)", "num_agents: int = st.static(default=0)"),
        r"num_agents is 0",
    ),
    "discount 0": (("discount: float = 0.9", "discount: float = 0.0"), r"discount is 0\.0; a number above 0"),
    "discount 1.5": (("discount: float = 0.9", "discount: float = 1.5"), r"discount is 1\.5; a number above 0"),
    "no method": (("def sample_disturbance", "def draws"), r"Countdown has no method sample_disturbance"),
}


# What is wrong in the base policy: the sentence, whatever the checks of the model say.
WRITTEN_IN_THE_POLICY = {
    "no base policy": (
        ("def base_policy", "def heuristic"),
        r"no base policy; give the model a method.*--base file\.py:name",
    ),
    "base policy raises": (
        ("return first_works", "return self.nothing"),
        r"AttributeError.*nothing.*countdown\.py, line {line}\)",
    ),
    "inadmissible base": (("jnp.array([1, 0], jnp", "jnp.array([7, 0], jnp"), r"chose control 7 for agent 0"),
    "base of wrong shape": (
        ("jnp.array([1, 0], jnp", "jnp.array([1], jnp"),
        r"first_works returned int32\[1\]; int32\[2\]",
    ),
    "base policy that takes an argument": (
        ("def base_policy(self)", "def base_policy(self, size)"),
        r"Countdown\.base_policy raised TypeError: .* missing 1 required positional argument: 'size'\.",
    ),
    "base of wrong arguments": (
        ("def first_works(state, key)", "def first_works(state)"),
        r"first_works raised TypeError",
    ),
}


@pytest.mark.parametrize(("change", "pattern"), WRITTEN_IN_THE_POLICY.values(), ids=WRITTEN_IN_THE_POLICY)
def test_what_is_written_wrongly_in_the_policy(seriatim, write, refused, change, pattern, model_unchecked):
    refuses(seriatim, write, refused, change, pattern)


@pytest.mark.parametrize(("change", "pattern"), WRITTEN.values(), ids=WRITTEN)
def test_what_is_written_wrongly(seriatim, write, refused, change, pattern):
    refuses(seriatim, write, refused, change, pattern)


def refuses(seriatim, write, refused, change, pattern):
    file = write(change)
    before, _, _ = file.read_text().partition(change[1])
    pattern = pattern.replace("{line}", str(before.count("\n") + 1))
    refused(seriatim("compare", f"{file}:Countdown", *QUICK), pattern)


def test_run_refuses_what_compare_refuses(seriatim, write, refused, model_unchecked):
    file = write(("jnp.array([1, 0], jnp", "jnp.array([1, 9], jnp"))
    refused(seriatim("run", f"{file}:Countdown", "--policy", "base", "--horizon", "5"), r"chose control 9 for agent 1")


def test_standard_rollout_of_a_large_team_is_refused_with_the_count(seriatim, write, refused, unchecked):
    file = write(("jnp.array([1, 0], jnp.int32)", "jnp.zeros(15, jnp.int32)"))
    fields = ["--set", "num_agents=15", "--set", "num_controls=5"]
    result = seriatim("compare", f"{file}:Countdown", *fields, "--policies", "base,standard", *QUICK)
    refused(result, r"5\*\*15 = 30,517,578,125 joint controls.*one-at-a-time would compare 75")


# What is wrong with the pictures that only `run` looks at.
PICTURED = {
    "text raises": (('return "*" * int(state)', "return 1 / 0"), r"ZeroDivisionError: .*countdown\.py, line 42"),
    "text is no text": (('return "*" * int(state)', "return 5"), r"Countdown\.text returned 5; a string is expected"),
    "text takes no state": (("def text(self, state)", "def text(self)"), r"Countdown\.text raised TypeError"),
    "draw raises": (("return '<svg", "return state + '<svg"), r"(TypeError|Error).*countdown\.py, line 45"),
    "draw draws nothing": (("return '<svg", "return 7 or '<svg"), r"Countdown\.draw returned 7; a string with an SVG"),
    "draw takes no state": (("def draw(self, state)", "def draw(self)"), r"Countdown\.draw raised TypeError"),
}


@pytest.mark.parametrize(("change", "pattern"), PICTURED.values(), ids=PICTURED)
def test_what_is_drawn_wrongly(seriatim, write, refused, tmp_path, change, pattern, unchecked):
    arguments = ("--policy", "base", "--horizon", "1", "--watch", "--save", tmp_path / "episode.html")
    refused(seriatim("run", f"{write(change)}:Countdown", *arguments), pattern)


def test_an_error_in_a_compiled_library_is_placed_where_it_was_called():
    def library():
        exec(compile("1 / 0", "library/_part.pyx", "exec"))

    with pytest.raises(ZeroDivisionError) as caught:
        library()
    assert users_frame(caught.value).name == "library"


def test_too_little_memory_is_said_in_a_sentence(seriatim, write, refused, monkeypatch, unchecked):
    def greedy(*_, **__):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 400 bytes.")

    monkeypatch.setattr(st, "compare", greedy)
    result = seriatim("compare", f"{write()}:Countdown", "--policies", "base", *QUICK)
    refused(result, r"there is not enough memory \(.*400 bytes\); ask for less at once, or a smaller model\.$")


def test_traceback_shows_the_whole_way(seriatim, write):
    file = write(("after = state -", "after = {}['x'] -"))
    result = seriatim("compare", f"{file}:Countdown", "--traceback", *QUICK)
    assert result.status == 2
    assert "Traceback" in result.err
    assert "after = {}['x']" in result.err
    assert result.err.splitlines()[-1].startswith("seriatim: Countdown.transition raised KeyError")


def test_a_fault_of_ours_asks_to_be_reported(seriatim, write, monkeypatch):
    # A method of a built-in type: the error passes through no file of the user's.
    monkeypatch.setattr(_load, "read_assignments", {}.__getitem__)
    result = seriatim("compare", f"{write()}:Countdown", "--set", "start=2", *QUICK)
    assert result.status == 1
    assert "KeyError" in result.err
    assert "Traceback" in result.err
    assert "please report it" in result.err.splitlines()[-1]
    assert result.out == ""


def test_warnings_of_the_users_code_are_one_line(seriatim, write, recwarn, monkeypatch):
    monkeypatch.setattr("warnings.filters", [])
    file = write(("ready = Countdown(start=2)", "import warnings; warnings.warn('look here')"))
    result = seriatim("check", f"{file}:Countdwn")
    assert result.err.splitlines()[0].startswith("seriatim: warning: look here (countdown.py, line ")
