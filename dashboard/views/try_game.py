"""You against the models: a changed picture, your guess, and then what every model says of it."""

from __future__ import annotations

import secrets

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache, game
from dashboard.page import fragment
from dashboard.text import named
from dashboard.widgets import messages, tables
from probing_core.measures.notation import in_percent, model_title
from probing_core.results import Run

SIDE = 384
"""Side of the picture in pixels, three times that of a view."""

ANSWER_WIDTH = 140
"""Width of a button in pixels: two fit side by side on a phone, three next to the picture."""

NAMES = {"identity": "untouched"}

KINDS = (
    "Tone: brightness and contrast. Codec: compressed, pixelated or with few colors. Overlay: something is drawn on "
    "it. Artistic: turned into a drawing. Style: repainted by a network."
)
ABOUT = (
    "An answer is right if it names the right group, or untouched. The models expect every second picture to be "
    "untouched; on Explore untouched is one of {classes} classes, so it is recognized far more rarely there. They "
    "learned from other photographs."
)


@fragment
def show(run: Run) -> None:
    if not game.players(run):
        messages.empty("No model of this run has predictions to play with; `probing run --out DIR` makes them.")
        return
    if run.pictures.why_not:
        messages.no_pictures(run.pictures.why_not)
        return
    number = _number()
    asked = cache.computed(run, game.asked, number)
    given = cache.computed(run, game.answers, tuple(asked))
    guesses: dict[int, str] = st.session_state.setdefault("_guesses", {}).setdefault((run.digest, number), {})
    following = min(len(guesses), game.ROUNDS - 1)
    shown = st.session_state.get("_shown", following)
    _play(run, asked, given, guesses, shown if shown in guesses else following)
    if guesses:
        _standing(run, asked, given, guesses)


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
    st.caption(f"{KINDS} Some changes are faint. The models see what you see, at this size.")


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
        st.button("Next picture", type="primary", key="next", on_click=st.session_state.pop, args=("_shown", None))
    else:
        another = "game", secrets.randbelow(game.GAMES)
        st.button("Play again", type="primary", key="new-game", on_click=state.choose, args=another)
    here = given[given["round"] == number].sort_values(["right", "probability"], ascending=False, kind="stable")
    what = "call it untouched" if group == "identity" else "name the group"
    st.markdown(f"**{int(here['right'].sum())} of {len(here)}** models {what}.")
    shown = here.assign(
        player=here["player"].map(model_title),
        answer=here["answer"].map(named),
        right=["✓" if right else "" for right in here["right"]],
    )
    tables.show_table(
        shown[["player", "answer", "right", "probability"]],
        "answers",
        column_config={
            "player": st.column_config.TextColumn("model"),
            "answer": st.column_config.TextColumn("says"),
            "right": st.column_config.TextColumn("right", width="small", help="Whether it names the group."),
        },
        percent={"probability": ("probability (%)", "How sure the model is of untouched or altered.")},
    )


def _standing(run: Run, asked: list[int], given: pd.DataFrame, guesses: dict[int, str]) -> None:
    truths = {number: game.alteration_of(run, asked[number])[1] for number in guesses}
    table = game.standing(given, guesses, truths)
    mine = int(table.loc[table["player"] == game.YOU, "right"].iloc[0])
    better = int((table["right"] > mine).sum())
    st.header("So far" if len(guesses) < game.ROUNDS else "The result")
    st.markdown(
        f"You were right **{mine} of {len(guesses)}** times; right more often: {better} of {len(table) - 1} models."
        f"{' The address of this page has the same ten pictures for somebody else.' if len(guesses) > 1 else ''}"
    )
    if len(guesses) == game.ROUNDS:
        tables.show_table(
            table.assign(player=table["player"].map(model_title)),
            "standing",
            column_config={
                "player": st.column_config.TextColumn("who"),
                "right": st.column_config.ProgressColumn(
                    min_value=0, max_value=game.ROUNDS, format=f"%d of {game.ROUNDS}"
                ),
            },
        )
    guessing = f"Guessing gives {in_percent(1 / len(set(game.groups_of(run).values())))}."
    st.caption(f"{guessing} {ABOUT.format(classes=len(run.classes('fine')))}")
