"""The hunt of `benchmarks/simulation.py` as a DynaPlex model, in its modelling language.

DynaPlex gives one agent an action at a time. A joint step takes m actions here, each a spider's move to its nearest
fly; flies are caught when all have moved. Positions are lists of whole numbers, as its own examples use.
"""

from dataclasses import dataclass

from dynaplex.modelling import (
    HorizonType,
    StateCategory,
    TrajectoryContext,
    Validity,
    const_dataclass,
)
from dynaplex.validation import mdp, policy


@dataclass(slots=True)
class State:
    """Rows and columns of spiders and living flies, and whose turn it is."""

    spider_row: list[int]
    spider_column: list[int]
    fly_row: list[int]
    fly_column: list[int]
    living: int
    turn: int
    category: StateCategory = StateCategory.AWAIT_ACTION


@mdp
@const_dataclass(init=False, slots=True)
class Chase:
    """Spiders and flies that stay, from random cells, until the last fly is caught; a cost of 1 a joint step."""

    spiders: int
    flies: int
    side: int
    num_actions: int
    horizon_type: HorizonType

    def __init__(self, spiders: int, flies: int, side: int):
        self.spiders = spiders
        self.flies = flies
        self.side = side
        self.num_actions = 5
        self.horizon_type = HorizonType.FINITE

    def get_initial_state(self, context: TrajectoryContext) -> State:
        spider_row = [0] * self.spiders
        spider_column = [0] * self.spiders
        fly_row = [0] * self.flies
        fly_column = [0] * self.flies
        for i in range(self.spiders):
            spider_row[i] = context.rng.choice(self.side)
            spider_column[i] = context.rng.choice(self.side)
        for j in range(self.flies):
            fly_row[j] = context.rng.choice(self.side)
            fly_column[j] = context.rng.choice(self.side)
        return State(
            spider_row=spider_row,
            spider_column=spider_column,
            fly_row=fly_row,
            fly_column=fly_column,
            living=self.flies,
            turn=0,
            category=StateCategory.AWAIT_ACTION,
        )

    def modify_state_with_event(self, state: State, context: TrajectoryContext) -> None:
        state.category = StateCategory.AWAIT_ACTION
        context.time_elapsed += 1

    def modify_state_with_action(self, state: State, context: TrajectoryContext, action: int) -> None:
        i = state.turn
        if action == 1:
            state.spider_row[i] = max(state.spider_row[i] - 1, 0)
        elif action == 2:
            state.spider_row[i] = min(state.spider_row[i] + 1, self.side - 1)
        elif action == 3:
            state.spider_column[i] = max(state.spider_column[i] - 1, 0)
        elif action == 4:
            state.spider_column[i] = min(state.spider_column[i] + 1, self.side - 1)
        state.turn += 1
        if state.turn == self.spiders:
            state.turn = 0
            context.cumulative_cost += 1.0
            self.catch(state)
            if state.living == 0:
                state.category = StateCategory.FINAL
            else:
                state.category = StateCategory.AWAIT_EVENT

    def catch(self, state: State) -> None:
        j = 0
        while j < state.living:
            caught = False
            i = 0
            while i < self.spiders and not caught:
                caught = state.spider_row[i] == state.fly_row[j] and state.spider_column[i] == state.fly_column[j]
                i += 1
            if caught:
                state.living -= 1
                state.fly_row[j] = state.fly_row[state.living]
                state.fly_column[j] = state.fly_column[state.living]
            else:
                j += 1

    def write_action_validity(self, state: State, valid: Validity) -> None:
        for u in range(5):
            valid.set(u, True)


@policy
@const_dataclass(slots=True)
class NearestFly:
    """The spider whose turn it is goes towards its nearest fly, rows first."""

    mdp: Chase

    def get_action(self, state: State) -> int:
        row = state.spider_row[state.turn]
        column = state.spider_column[state.turn]
        least = 1000000
        for j in range(state.living):
            down = state.fly_row[j] - row
            right = state.fly_column[j] - column
            move = 0
            if down < 0:
                move = 1
            elif down > 0:
                move = 2
            elif right < 0:
                move = 3
            elif right > 0:
                move = 4
            course = 8 * (abs(down) + abs(right)) + move
            if course < least:
                least = course
        return least % 8
