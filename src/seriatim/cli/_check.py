"""`seriatim check`: the laws of a model and its base policy, one line each."""

import jax
import rich.box
from rich.table import Table
from rich.text import Text

import seriatim as st
from seriatim.cli._faults import MISTAKE_OF_THE_USERS, exit_with, say
from seriatim.cli._load import Loaded, load, title
from seriatim.cli._options import Problem
from seriatim.cli._output import console, print_json
from seriatim.cli._policies import base_policy, has_base_policy
from seriatim.cli._progress import progress
from seriatim.testing._report import Finding, folded

_MARKS = {True: Text("ok", style="green"), False: Text("wrong", style="bold red"), None: Text("-", style="dim")}


def check(problem: Problem) -> None:
    """Check, print the findings, and end with status 2 if a law is broken."""
    with progress() as show:
        show("checking the model")
        loaded = load(problem)
        findings = _findings(loaded, problem)
    broken = [finding for finding in findings if finding.passed is False]
    if problem.form == "json":
        entries = [{"law": f.law, "passed": f.passed, "message": f.message} for f in findings]
        head = {"model": loaded.name, "fields": loaded.fields, "seed": problem.seed}
        print_json({**head, "ok": not broken, "findings": entries})
    else:
        _print_table(loaded, findings)
    for finding in broken:
        say(finding.message)
    if broken:
        exit_with(MISTAKE_OF_THE_USERS)


def _findings(loaded: Loaded, problem: Problem) -> tuple[Finding, ...]:
    key = jax.random.key(problem.seed)
    report = st.check_model(loaded.model, key)
    if not report.ok:
        return report.findings
    if not has_base_policy(loaded, problem.base):
        nothing = Finding("base policy", None, "the model has no base_policy(); --base names one")
        return (*report.findings, nothing)
    policy = base_policy(loaded, problem.base)
    return (*report.findings, *st.check_policy(loaded.model, policy, key).findings)


def _print_table(loaded: Loaded, findings: tuple[Finding, ...]) -> None:
    table = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    for heading in ("law", "", "what was seen"):
        table.add_column(heading)
    for finding in folded(findings):
        table.add_row(Text(finding.law), _MARKS[finding.passed], Text(finding.message))
    out = console()
    out.print(Text(title(loaded), style="bold"))
    out.print(Text(), table, sep="\n")
