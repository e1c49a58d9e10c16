"""The match: two small teams seen from above, a ball, a referee, two goals and a scoreboard."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from stream.broadcast.canvas import Canvas, Colour
from stream.broadcast.language import COLOURS, Meaning, Thing
from stream.broadcast.shot import Random, Shot, change_light
from stream.broadcast.tracks import Track, smooth

_LEFT, _RIGHT, _TOP, _BOTTOM = 18.0, 302.0, 14.0, 166.0
_GOAL_TOP, _GOAL_BOTTOM = 68.0, 112.0
_FORMATION = (
    (-118.0, 0.0),
    (-70.0, -42.0),
    (-70.0, 42.0),
    (-30.0, -18.0),
    (-22.0, 26.0),
)  # from the centre, playing right
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_LINE: Colour = (225, 240, 225)


@dataclass
class Fixture:
    """Who plays, and how it stands: what one shot of the match hands on to the next."""

    teams: tuple[str, str]
    score: list[int] = field(default_factory=lambda: [0, 0])


class Pitch:
    """Directs the players: plays follow each other, each moves players and ball by appending keys."""

    def __init__(self, rng: Random, fixture: Fixture) -> None:
        self.rng, self.fixture = rng, fixture
        self.now_s = 0.0
        self.ball = Track((160.0, 90.0))
        self.players = [[Track(self.home(team, i)) for i in range(5)] for team in (0, 1)]
        self.referee = Track((160.0 + rng.uniform(-20, 20), 120.0))
        self.card: tuple[str, float, float] | None = None
        self.scored: list[tuple[float, int]] = []
        self.hops: list[tuple[float, float, int]] = []
        self.happenings: list[tuple[Meaning, float, float]] = []
        self.flash: list[tuple[float, float, int]] = []

    def home(self, team: int, player: int) -> tuple[float, float]:
        """A player's place in the formation, with some freedom."""
        x, y = _FORMATION[player]
        side = 1 if team == 0 else -1
        return 160 + side * x + float(self.rng.uniform(-6, 6)), 90 + y + float(self.rng.uniform(-6, 6))

    def everyone(self, until_s: float, place: Callable[[int, int], tuple[float, float]]) -> None:
        """All players run to `place(team, player)` until `until_s`."""
        for team, side in enumerate(self.players):
            for i, player in enumerate(side):
                player.add(until_s, place(team, i))

    def kick(self, until_s: float, x: float, y: float) -> None:
        """The ball rolls to (x, y), arriving at `until_s`."""
        self.ball.add(until_s, (x, y))

    def record(self, kind: str, start_s: float, end_s: float, team: int | None = None) -> None:
        """Write a happening into the truth."""
        things = () if team is None else (Thing(self.fixture.teams[team]),)
        self.happenings.append((Meaning(kind, things), start_s, end_s))


def _passing(pitch: Pitch, length_s: float) -> None:
    """The ball goes from player to player while everyone shifts with it."""
    end_s = pitch.now_s + length_s
    team = int(pitch.rng.integers(2))
    while pitch.now_s < end_s - 0.2:
        step_s = float(pitch.rng.uniform(0.9, 1.5))
        arrive = pitch.now_s + step_s
        receiver = int(pitch.rng.integers(1, 5))
        if pitch.rng.uniform() < 0.25:
            team = 1 - team
        shift = float(pitch.rng.uniform(-22, 22))
        spots = {(t, i): pitch.home(t, i) for t in (0, 1) for i in range(5)}
        spots = {key: (x + shift * (key[1] > 0), y) for key, (x, y) in spots.items()}
        pitch.everyone(arrive, lambda t, i, spots=spots: spots[t, i])  # type: ignore[misc]
        x, y = spots[team, receiver]
        pitch.kick(arrive, x + (5 if team == 0 else -5), y + 2)
        pitch.referee.add(arrive, (160 + 0.5 * (x - 160), 90 + 0.4 * (y - 90) + 22))
        pitch.now_s = arrive


def _attack(pitch: Pitch, team: int) -> tuple[float, float]:
    """A forward dribbles towards the other goal; returns where the shot is taken."""
    side = 1 if team == 0 else -1
    start_s, rng = pitch.now_s, pitch.rng
    begin = (160 + side * float(rng.uniform(10, 35)), float(rng.uniform(60, 120)))
    spot = (160 + side * float(rng.uniform(85, 100)), float(rng.uniform(70, 110)))
    pitch.ball.add(start_s + 0.4, (begin[0] + 4 * side, begin[1]))
    pitch.ball.add(start_s + 2.0, (spot[0] + 4 * side, spot[1]))
    forward = pitch.players[team][4]
    forward.add(start_s + 0.4, begin)
    forward.add(start_s + 2.0, spot)
    for t, players in enumerate(pitch.players):
        for i, player in enumerate(players):
            if (t, i) == (1 - team, 0):
                player.add(start_s + 2.0, (160 + side * 132, 90 + 0.4 * (spot[1] - 90)))
            elif (t, i) != (team, 4):
                x, y = pitch.home(t, i)
                player.add(start_s + 2.0, (x + side * (45 if i else 0), y))
    pitch.now_s = start_s + 2.0
    return spot


def _goal(pitch: Pitch, team: int) -> None:
    side, rng, start_s = (1 if team == 0 else -1), pitch.rng, pitch.now_s
    _attack(pitch, team)
    shot_s = pitch.now_s + float(rng.uniform(0.5, 0.8))
    net = (160 + side * 150, float(rng.uniform(_GOAL_TOP + 6, _GOAL_BOTTOM - 6)))
    pitch.kick(shot_s, *net)
    pitch.players[1 - team][0].add(shot_s, (160 + side * 134, 180 - net[1]))
    pitch.scored.append((shot_s, team))
    pitch.flash.append((shot_s, shot_s + 1.8, team))
    pitch.ball.hold(shot_s + 1.8)
    pitch.now_s = shot_s + 1.8
    pitch.record("goal", start_s, pitch.now_s, team)
    if rng.uniform() < 0.6:
        _celebrate(pitch, team)


def _celebrate(pitch: Pitch, team: int) -> None:
    side, start_s = (1 if team == 0 else -1), pitch.now_s
    length_s = float(pitch.rng.uniform(3.5, 5.5))
    x, y = 160 + side * float(pitch.rng.uniform(50, 80)), float(pitch.rng.uniform(60, 120))
    for i, player in enumerate(pitch.players[team]):
        for step in np.linspace(0.0, length_s - 0.9, 14):
            angle = 2 * math.pi * i / 5 + 1.4 * float(step)
            player.add(start_s + 0.9 + float(step), (x + 17 * math.cos(angle), y + 17 * math.sin(angle)))
    pitch.hops.append((start_s + 0.9, start_s + length_s, team))
    pitch.now_s = start_s + length_s
    pitch.record("celebrate", start_s, pitch.now_s, team)


def _miss(pitch: Pitch, team: int) -> None:
    side, rng, start_s = (1 if team == 0 else -1), pitch.rng, pitch.now_s
    _attack(pitch, team)
    above = rng.choice([-1, 1])
    beside = 90 + above * float(rng.uniform(36, 50))
    shot_s = pitch.now_s + float(rng.uniform(0.6, 0.9))
    pitch.kick(shot_s, 160 + side * 152, beside)
    pitch.kick(shot_s + 0.6, 160 + side * 158, beside + above * 3)
    pitch.now_s = shot_s + 1.2
    pitch.record("miss", start_s, pitch.now_s, team)


def _corner(pitch: Pitch, team: int) -> None:
    side, rng, start_s = (1 if team == 0 else -1), pitch.rng, pitch.now_s
    flag = (160 + side * 140, _TOP + 3 if rng.uniform() < 0.5 else _BOTTOM - 3)
    pitch.ball.add(start_s + 0.05, flag)
    pitch.players[team][3].add(start_s + 0.8, (flag[0] + side * 5, flag[1]))
    for t in (0, 1):
        for i in range(5):
            if (t, i) != (team, 3):
                box = (160 + side * float(rng.uniform(95, 130)), float(rng.uniform(60, 120)))
                pitch.players[t][i].add(start_s + 1.0, box)
    kick_s = start_s + float(rng.uniform(1.8, 2.5))
    pitch.players[team][3].hold(kick_s)
    pitch.ball.hold(kick_s)
    pitch.kick(kick_s + 1.0, 160 + side * float(rng.uniform(100, 120)), float(rng.uniform(75, 105)))
    pitch.now_s = kick_s + 1.6
    pitch.record("corner", start_s, pitch.now_s, team)


def _kickoff(pitch: Pitch, team: int) -> None:
    start_s = pitch.now_s
    side = 1 if team == 0 else -1
    pitch.ball.add(start_s + 0.05, (160, 90))
    pitch.everyone(start_s + 0.7, lambda t, i: pitch.home(t, i))
    pitch.players[team][4].add(start_s + 0.8, (160 - side * 7, 90))
    pitch.referee.add(start_s + 0.7, (160, 118))
    kick_s = start_s + float(pitch.rng.uniform(2.2, 3.2))
    for player in (*pitch.players[0], *pitch.players[1]):
        player.hold(kick_s)
    pitch.ball.hold(kick_s)
    pitch.kick(kick_s + 0.9, 160 - side * 50, 90 + float(pitch.rng.uniform(-30, 30)))
    pitch.now_s = kick_s + 1.0
    pitch.record("kickoff", start_s, pitch.now_s)


def _card(pitch: Pitch, team: int) -> None:
    start_s, rng = pitch.now_s, pitch.rng
    colour = ("yellow_card", "red_card")[rng.integers(2)]
    x, y = pitch.players[team][2].last
    pitch.referee.add(start_s + 1.0, (x + 14, y - 4))
    pitch.ball.hold(start_s + 1.0)
    show_s = start_s + 1.0
    end_s = show_s + float(rng.uniform(2.8, 4.0))
    pitch.card = (colour, show_s, end_s)
    for track in (*pitch.players[0], *pitch.players[1], pitch.referee, pitch.ball):
        track.hold(end_s)
    pitch.now_s = end_s + 0.3
    pitch.record(colour, show_s, end_s)


_PLAYS: tuple[tuple[Callable[[Pitch, int], None], float], ...] = (
    (_goal, 0.34), (_miss, 0.2), (_corner, 0.2), (_card, 0.16), (_kickoff, 0.1))  # fmt: skip


def match_shot(rng: Random, fixture: Fixture, *, replay: bool = False) -> Shot:
    """One to three plays of the match; a replay is slow passing play in a frame. Goals count on the scoreboard."""
    pitch = Pitch(rng, fixture)
    before = list(fixture.score)
    if replay:
        _passing(pitch, float(rng.uniform(4.0, 7.0)))
        pitch.record("replay", 0.0, pitch.now_s)
    else:
        _passing(pitch, float(rng.uniform(1.0, 3.0)))
        for _ in range(int(rng.integers(1, 4))):
            play = rng.choice(len(_PLAYS), p=[weight for _, weight in _PLAYS])
            if not (_PLAYS[play][0] is _card and pitch.card):
                _PLAYS[play][0](pitch, int(rng.integers(2)))
                _passing(pitch, float(rng.uniform(1.5, 3.5)))
    for _, team in pitch.scored:
        fixture.score[team] += 1
    return _film(pitch, rng, before, replay)


def _film(pitch: Pitch, rng: Random, score: list[int], replay: bool) -> Shot:
    stripe = int(rng.integers(18, 30))

    def paint(canvas: Canvas, time_s: float) -> None:
        _paint_pitch(canvas, stripe)
        for start_s, end_s, team in pitch.flash:
            if start_s <= time_s < end_s:
                _paint_net_flash(canvas, team)
        _paint_people(canvas, pitch, time_s)

    def describe(time_s: float) -> list[str]:
        return _facts(pitch, score, time_s)

    shot = Shot("match", pitch.now_s, paint, describe)
    for meaning, start_s, end_s in pitch.happenings:
        shot.happen(meaning, start_s, end_s)
    shot.camera = _follow(pitch, rng)
    change_light(shot, rng)
    shot.overlays.append(lambda canvas, t: _paint_scoreboard(canvas, pitch, score, t))
    if replay:
        shot.overlays.append(_paint_replay)
        shot.overlay_facts.append(lambda t: ["slow motion replay"])
    return shot


def _follow(pitch: Pitch, rng: Random) -> Track:
    """The camera follows the ball, late and not all the way."""
    zoom = float(rng.uniform(1.12, 1.3))
    camera = Track((160.0, 90.0, zoom))
    x, y = 160.0, 90.0
    for time_s in np.arange(0.0, pitch.now_s, 0.2):
        ball = pitch.ball.at(float(time_s))
        x, y = x + 0.25 * (ball[0] - x), y + 0.25 * (ball[1] - y)
        reach_x, reach_y = 160 * (1 - 1 / zoom) + 6, 90 * (1 - 1 / zoom) + 4
        camera.add(
            float(time_s), (160 + np.clip(x - 160, -reach_x, reach_x), 90 + np.clip(y - 90, -reach_y, reach_y), zoom)
        )
    return camera


def _paint_pitch(canvas: Canvas, stripe: int) -> None:
    canvas.fill((44, 118, 52), (44, 118, 52))
    for left in range(-80, 400, 2 * stripe):
        canvas.box(left, -60, left + stripe, 240, (52, 132, 60))
    canvas.frame(_LEFT, _TOP, _RIGHT, _BOTTOM, _LINE, 1.4)
    canvas.line((160, _TOP), (160, _BOTTOM), _LINE, 1.4)
    canvas.circle(160, 90, 24, _LINE, 1.4)
    for goal_line, side in ((_LEFT, 1), (_RIGHT, -1)):
        canvas.frame(min(goal_line, goal_line + side * 34), 52, max(goal_line, goal_line + side * 34), 128, _LINE, 1.2)
        back = goal_line - side * 13
        canvas.box(min(goal_line, back), _GOAL_TOP, max(goal_line, back), _GOAL_BOTTOM, (170, 178, 184))
        canvas.frame(min(goal_line, back), _GOAL_TOP, max(goal_line, back), _GOAL_BOTTOM, (250, 250, 250), 2.2)


def _paint_net_flash(canvas: Canvas, team: int) -> None:
    goal_line, back = (_RIGHT, _RIGHT + 13) if team == 0 else (_LEFT, _LEFT - 13)
    canvas.box(min(goal_line, back), _GOAL_TOP, max(goal_line, back), _GOAL_BOTTOM, (255, 190, 60))


def _paint_people(canvas: Canvas, pitch: Pitch, time_s: float) -> None:
    for team, players in enumerate(pitch.players):
        colour = COLOURS[pitch.fixture.teams[team]]
        for i, player in enumerate(players):
            x, y = player.at(time_s)
            for start_s, end_s, happy in pitch.hops:
                if happy == team and start_s <= time_s < end_s:
                    y -= 5 * abs(math.sin(6 * time_s + i))
            canvas.circle(x + 1, y + 3.5, 6, (30, 84, 38))
            canvas.circle(x, y, 6.6, (20, 24, 28))
            canvas.circle(x, y, 5.6, colour)
            canvas.circle(x, y - 1.5, 2.2, (222, 180, 140))
    x, y = pitch.referee.at(time_s)
    canvas.circle(x, y, 6, (14, 14, 16))
    canvas.circle(x, y - 1.5, 2.2, (222, 180, 140))
    if pitch.card and pitch.card[1] <= time_s < pitch.card[2]:
        raised = 8 * smooth((time_s - pitch.card[1]) / 0.3)
        paper = (250, 220, 30) if pitch.card[0] == "yellow_card" else (225, 25, 30)
        canvas.box(x - 9, y - 24 - raised, x + 9, y - raised, (15, 15, 15))
        canvas.box(x - 7.5, y - 22.5 - raised, x + 7.5, y - 1.5 - raised, paper)
    bx, by = pitch.ball.at(time_s)
    canvas.circle(bx, by, 5.3, (15, 15, 15))
    canvas.circle(bx, by, 4.4, (255, 255, 255))


def _goals(pitch: Pitch, before: list[int], time_s: float) -> list[int]:
    """The score at `time_s`, given the score before the shot."""
    return [before[t] + sum(1 for at, team in pitch.scored if team == t and at <= time_s) for t in (0, 1)]


def _paint_scoreboard(canvas: Canvas, pitch: Pitch, before: list[int], time_s: float) -> None:
    goals = _goals(pitch, before, time_s)
    canvas.box(8, 8, 92, 26, (18, 20, 30))
    canvas.box(10, 10, 24, 24, COLOURS[pitch.fixture.teams[0]])
    canvas.box(76, 10, 90, 24, COLOURS[pitch.fixture.teams[1]])
    canvas.text(31, 22, f"{goals[0] % 100} : {goals[1] % 100}", (250, 250, 250), 9, bold=True)
    for start_s, end_s, team in pitch.flash:
        if start_s + 0.3 <= time_s < end_s:
            canvas.box(104, 8, 168, 26, COLOURS[pitch.fixture.teams[team]])
            canvas.text(114, 22, "GOAL!", (16, 18, 26), 10, bold=True)


def _paint_replay(canvas: Canvas, time_s: float) -> None:
    canvas.frame(3, 3, 317, 177, (240, 150, 30), 6)
    canvas.box(240, 10, 310, 30, (240, 150, 30))
    canvas.text(246, 25, "REPLAY", (20, 20, 20), 9.5, bold=True)


def _facts(pitch: Pitch, score: list[int], time_s: float) -> list[str]:
    teams = pitch.fixture.teams
    x, y = pitch.ball.at(time_s)
    goals = _goals(pitch, score, time_s)
    facts = ["a football match", f"the {teams[0]} team plays the {teams[1]} team"]
    facts.append(f"the score is {_NUMBERS[min(goals[0], 9)]} to {_NUMBERS[min(goals[1], 9)]}")
    height = "top " if y < 65 else "bottom " if y > 115 else ""
    side = "right" if x > 160 else "left"
    if (x > _RIGHT or x < _LEFT) and _GOAL_TOP < y < _GOAL_BOTTOM:
        facts.append(f"the ball is in the {side} net")
    elif abs(x - 160) > 90:
        facts.append(f"the ball is near the {height or side + ' '}{'goal' if not height else side}")
    elif abs(x - 160) > 30:
        facts.append(f"the ball is on the {height}{side} of the pitch")
    else:
        facts.append(f"the ball is in the {height}middle of the pitch")
    return facts
