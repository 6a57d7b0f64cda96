"""You against the models: a changed picture, your guess, and then what every model says of it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache, game
from dashboard.page import fragment
from dashboard.text import named
from dashboard.widgets import gallery, messages, tables
from probing_core.measures.notation import in_percent, model_title
from probing_core.measures.statistics import with_place
from probing_core.results import PicturesMissing, Run

SIDE = 384
"""Side of the picture in pixels, three times that of a view."""

ANSWER_WIDTH = 140
"""Width of a button in pixels: two fit side by side on a phone, three next to the picture."""

NAMES = {"identity": "untouched"}

ABOUT = (
    "The models choose among all transformations, and are right here if their choice is of the right group. "
    "They were tested on these pictures and learned from others. All models of the run play, even those that have no "
    "probe for new pictures."
)


@fragment
def show(run: Run) -> None:
    if not game.players(run):
        messages.empty("No model of this run has predictions to play with; `probing run --out DIR` makes them.")
        return
    if run.pictures.why_not:
        gallery.pictures_missing(run, PicturesMissing(run.pictures.why_not), "game")
        return
    number = _number()
    asked, given = _game(run, number)
    guesses: dict[int, str] = st.session_state.setdefault("_guesses", {}).setdefault((run.digest, number), {})
    following = min(len(guesses), game.ROUNDS - 1)
    shown = st.session_state.get("_shown", following)
    _play(run, asked, given, guesses, shown if shown in guesses else following)
    if guesses:
        _standing(run, asked, given, guesses)


def _game(run: Run, number: int) -> tuple[list[int], pd.DataFrame]:
    kept = st.session_state.get("_game")
    if kept is None or kept[0] != (run.digest, number):
        asked = game.asked(run, number)
        kept = st.session_state["_game"] = (run.digest, number), asked, game.answers(run, asked)
    return kept[1], kept[2]


def _number() -> int:
    text = state.stored_choice("game")
    is_one = text.isascii() and text.isdecimal() and len(text) < len(str(game.GAMES))
    number = int(text) if is_one else secrets.randbelow(game.GAMES)
    state.publish("game", number)
    return number


def _play(run: Run, asked: list[int], given: pd.DataFrame, guesses: dict[int, str], number: int) -> None:
    sample = asked[number]
    is_open = number not in guesses
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.caption(f"Picture {number + 1} of {game.ROUNDS}")
        caption = "What was done to this photograph?" if is_open else "What you and the models saw"
        with st.container(width=SIDE):
            st.image(cache.picture(run, sample), caption=caption, width="stretch", alt=caption)
        if not is_open:
            caption = "The same view untouched"
            st.image(cache.picture(run, sample, before=True), caption=caption, width=SIDE // 2, alt=caption)
    with right:
        if is_open:
            _ask(run, guesses, number)
        else:
            _tell(run, asked, given, guesses, number)


def _ask(run: Run, guesses: dict[int, str], number: int) -> None:
    def guess(group: str) -> None:
        guesses[number] = group
        st.session_state["_shown"] = number

    st.header("What was done to it?")
    members: dict[str, list[str]] = {}
    for transform, group in game.groups_of(run).items():
        members.setdefault(group, []).append(named(transform))
    with st.container(horizontal=True):  # on a phone, columns would be shown one after the other
        for group, names in members.items():
            label = NAMES.get(group, group)
            about = "Nothing at all." if group == "identity" else f"{', '.join(names)}."
            st.button(label, key=f"guess-{group}", help=about, width=ANSWER_WIDTH, on_click=guess, args=(group,))
    st.caption("Some changes are faint, and some pictures are untouched. The models see what you see, at this size.")


def _tell(run: Run, asked: list[int], given: pd.DataFrame, guesses: dict[int, str], number: int) -> None:
    transform, group, strength = game.alteration_of(run, asked[number])
    guess, what = guesses[number], "nothing was done to it" if group == "identity" else f"it was **{named(transform)}**"
    if strength:
        what += f", {strength}"
    if group != "identity":
        what += f" ({group})"
    box = st.success if guess == group else st.warning
    box(f"{'Right' if guess == group else f'You said {NAMES.get(guess, guess)}'}: {what}.")
    if len(guesses) < game.ROUNDS:
        st.button("Next picture", type="primary", key="next-picture", on_click=_go_on)
    else:
        st.button("Play again", type="primary", key="new-game", on_click=_play_again)
    here = given[given["round"] == number].sort_values(["right", "probability"], ascending=False, kind="stable")
    st.markdown(f"**{int(here['right'].sum())} of {len(here)}** models name the group.")
    shown = here.assign(right=["✓" if right else "" for right in here["right"]])
    tables.show_table(
        shown[["player", "answer", "right", "probability"]],
        "answers",
        written={"player": model_title, "answer": named},
        column_config={
            "player": st.column_config.TextColumn("model"),
            "answer": st.column_config.TextColumn("says"),
            "right": st.column_config.TextColumn("right", width="small", help="Whether it names the group."),
        },
        percent={"probability": ("probability (%)", "How sure the model is of untouched or altered.")},
        height=36 * (min(len(shown), 9) + 1),
    )


def _go_on() -> None:
    st.session_state.pop("_shown", None)


def _play_again() -> None:
    _go_on()
    state.choose("game", secrets.randbelow(game.GAMES))


def _more_often(better: int, models: int) -> str:
    if not better:
        return f"None of the {models} models was right more often"
    return f"{better} of the {models} models {'was' if better == 1 else 'were'} right more often"


def further_trainings(players: Sequence[str]) -> str:
    """Return a sentence on how many of the models are others that were trained once more; empty if none is."""
    again = len(players) - len(with_place(players))
    return (
        f" Of the {len(players)} models, {again} are further trainings of others, with another seed." if again else ""
    )


def _standing(run: Run, asked: list[int], given: pd.DataFrame, guesses: dict[int, str]) -> None:
    truths = {number: game.alteration_of(run, asked[number])[1] for number in guesses}
    table = game.standing(given, guesses, truths)
    mine = int(table.loc[table["player"] == game.YOU, "right"].iloc[0])
    better = int((table["right"] > mine).sum())
    st.header("So far" if len(guesses) < game.ROUNDS else "The result")
    st.markdown(
        f"You were right **{mine} of {len(guesses)}** times. {_more_often(better, len(table) - 1)}."
        f"{' The address of this page has the same ten pictures for somebody else.' if len(guesses) > 1 else ''}"
    )
    if len(guesses) == game.ROUNDS:
        tables.show_table(
            table,
            "standing",
            written={"player": model_title},
            column_config={
                "player": st.column_config.TextColumn("who"),
                "right": st.column_config.ProgressColumn(
                    min_value=0, max_value=game.ROUNDS, format=f"%d of {game.ROUNDS}"
                ),
            },
        )
    guessing = f"Guessing gives {in_percent(1 / len(set(game.groups_of(run).values())))}."
    st.caption(f"{guessing} {ABOUT}{further_trainings(game.players(run))}")
