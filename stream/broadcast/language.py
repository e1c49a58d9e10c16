"""What can be said about the programme: kinds of happenings, their paraphrases, and which are held out of training.

A sentence is a template filled with attributes. Templates after the `|` are held out: the demo model never sees them.
They use words it knows, put together anew. `something` stands for any object.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (222, 44, 40),
    "green": (52, 190, 70),
    "blue": (46, 96, 230),
    "yellow": (245, 214, 40),
    "purple": (160, 62, 200),
    "white": (242, 242, 242),
}
SHAPES = ("circle", "square", "triangle", "star")
TEAM_COLOURS = ("red", "blue", "yellow", "white")
CAR_COLOURS = ("red", "blue", "yellow", "white")

HELD_OUT_OBJECTS = frozenset({("green", "star"), ("purple", "triangle"), ("blue", "square"), ("yellow", "circle")})
"""Colour and shape pairs that no training programme shows."""

_OBJECT_KINDS: dict[str, str] = {
    "cross_right": "{a} crosses from left to right; {a} moves from the left to the right; {a} travels to the right"
    " across the picture; from left to right goes {a} | {a} goes across the picture from left to right",
    "cross_left": "{a} crosses from right to left; {a} moves from the right to the left; {a} travels to the left"
    " across the picture; from right to left goes {a} | {a} goes across the picture from right to left",
    "rise": "{a} rises from the bottom to the top; {a} goes up; {a} climbs to the top of the picture;"
    " up from the bottom comes {a} | {a} moves up to the top",
    "fall": "{a} falls from the top to the bottom; {a} drops down; {a} sinks to the bottom of the picture;"
    " down from the top comes {a} | {a} moves down to the bottom",
    "grow": "{a} grows; {a} gets bigger and bigger; {a} becomes larger; a small one turns big: {a} grows"
    " | {a} becomes bigger",
    "shrink": "{a} shrinks; {a} gets smaller and smaller; {a} becomes tiny; a big one turns small: {a} shrinks"
    " | {a} becomes smaller",
    "bounce": "{a} bounces up and down; {a} jumps again and again; {a} hops on the spot; up and down bounces {a}"
    " | {a} jumps up and down",
    "spin": "{a} spins around; {a} rotates on the spot; {a} turns round and round; {a} whirls | {a} spins on the spot",
    "vanish": "{a} fades away; {a} vanishes; {a} disappears slowly; slowly {a} goes out of sight"
    " | {a} slowly fades out of sight",
    "appear": "{a} appears; {a} fades in; {a} comes into sight; out of nothing comes {a} | slowly {a} appears",
    "blink": "{a} blinks; {a} flashes on and off; {a} flickers; on and off goes {a} | {a} blinks on and off",
    "split": "{a} splits in two; {a} breaks apart into two; two come out of one: {a} divides; {a} is cut in two"
    " | {a} breaks in two",
}
_PAIR_KINDS: dict[str, str] = {
    "meet": "{a} and {b} meet; {a} and {b} come together; {a} touches {b}; {a} bumps into {b}"
    " | {a} comes together with {b}",
    "part": "{a} and {b} part; {a} and {b} move away from each other; {a} leaves {b}; {a} and {b} separate"
    " | {a} and {b} go away from each other",
    "orbit": "{a} circles around {b}; {a} goes around {b}; {a} orbits {b}; around {b} flies {a} | {a} flies around {b}",
}
_TEAM_KINDS: dict[str, str] = {
    "goal": "{team} scores a goal; the ball goes into the net for {team}; {team} puts the ball in the net;"
    " a goal for {team} | {team} scores and the ball is in the net",
    "miss": "{team} shoots wide; {team} misses the goal; a shot by {team} goes past the post;"
    " {team} sends the ball wide"
    " | a shot by {team} goes wide",
    "celebrate": "{team} celebrates; the players of {team} dance in a circle; {team} jumps for joy together;"
    " a huddle of {team} | {team} celebrates in a circle",
    "corner": "{team} takes a corner kick; the ball comes in from the corner for {team}; a corner for {team};"
    " {team} kicks from the corner flag | a kick from the corner by {team}",
}
_CAR_KINDS: dict[str, str] = {
    "drive_right": "{car} drives from left to right; {car} passes by to the right; along the road to the right goes"
    " {car}; {car} drives off to the right | {car} goes along the road from left to right",
    "drive_left": "{car} drives from right to left; {car} passes by to the left; along the road to the left goes {car};"
    " {car} drives off to the left | {car} goes along the road from right to left",
}
_PLAIN_KINDS: dict[str, str] = {
    "kickoff": "the match kicks off; the players line up for kick off; the ball waits on the centre spot for kick off;"
    " a kick off | the players line up and the match kicks off",
    "yellow_card": "the referee shows a yellow card; a player is booked with a yellow card; a yellow card is held up;"
    " yellow card | a yellow card is held up by the referee",
    "red_card": "the referee shows a red card; a player is sent off with a red card; a red card is held up;"
    " red card | a red card is held up by the referee",
    "replay": "a replay is shown; the scene is shown again in slow motion; a slow motion replay; replay of the play"
    " | the play is shown again",
    "rain": "it rains; rain falls; it starts to rain; a shower of rain comes down | rain comes down",
    "snow": "it snows; snow falls; it starts to snow; a shower of snow comes down | snow comes down",
    "dark": "the lights go out; it gets dark; the picture turns dark; darkness falls | the picture gets dark",
    "banner": "a banner slides in at the bottom; a caption bar comes up at the bottom; a breaking news banner;"
    " a text banner is shown at the bottom | a news bar slides in at the bottom",
    "zoom": "the camera zooms in; the picture is zoomed in; the camera moves in close; a zoom in"
    " | the camera goes in close",
    "green_light": "the traffic light turns green; the light changes to green; the traffic light shows green;"
    " green light on the road | the traffic light changes to green",
    "fireworks": "fireworks light up the sky; fireworks explode in the sky; rockets burst into colourful sparks;"
    " a firework show | colourful fireworks burst in the sky",
    "launch": "a rocket takes off; a rocket is launched into the sky; a rocket flies up with fire; lift off of a rocket"
    " | a rocket flies up into the sky with fire",
    "sunrise": "the sun rises; the sun comes up; the day breaks; sunrise over the hills"
    " | the sun comes up over the hills",
    "shooting_star": "a shooting star flies by; a comet crosses the night sky; a bright streak crosses the sky;"
    " a shooting star in the night | a comet flies by in the night sky",
    "balloon": "a balloon floats up into the sky; a hot air balloon rises; a balloon drifts upwards; up goes a balloon"
    " | a hot air balloon floats up",
}
KINDS: tuple[str, ...] = (*_OBJECT_KINDS, *_PAIR_KINDS, *_TEAM_KINDS, *_CAR_KINDS, *_PLAIN_KINDS)


@dataclass(frozen=True)
class Thing:
    """An object in the picture, or a wish for one: None means any."""

    colour: str | None = None
    shape: str | None = None

    def matches(self, wish: Thing) -> bool:
        """Whether this object is what `wish` asks for."""
        return wish.colour in (None, self.colour) and wish.shape in (None, self.shape)


@dataclass(frozen=True)
class Meaning:
    """What a sentence asks for, or what a happening is: a kind and the things it happens to."""

    kind: str
    things: tuple[Thing, ...] = ()

    def matches(self, wish: Meaning) -> bool:
        """Whether a happening with this meaning answers a sentence that means `wish`."""
        return self.kind == wish.kind and all(a.matches(b) for a, b in zip(self.things, wish.things, strict=True))


@dataclass(frozen=True)
class Happening:
    """Something that happens in the programme during `[start_s, end_s)`, programme time."""

    meaning: Meaning
    start_s: float
    end_s: float


def sentences(meaning: Meaning, *, held_out: bool = False) -> tuple[str, ...]:
    """Every paraphrase of `meaning` seen in training, or those held out of it."""
    seen, _, unseen = _templates()[meaning.kind].partition("|")
    if not held_out and meaning.kind == "goal" and meaning.things[0] == Thing():
        seen += "; a player scores a goal; the ball goes into the net"
    slots = _slots(meaning)
    return tuple(template.strip().format(**slots) for template in (unseen if held_out else seen).split(";"))


def wishes(meaning: Meaning) -> tuple[Meaning, ...]:
    """The happening's own meaning and the vaguer ones that it also answers ("something crosses …")."""
    vaguer = [Meaning(meaning.kind, tuple(Thing() for _ in meaning.things))] if meaning.things else []
    return (meaning, *vaguer)


def understand(text: str) -> Meaning | None:
    """The meaning of a sentence of the programme's own language; None for any other sentence."""
    return _meanings().get(_normal(text))


@lru_cache(maxsize=1)
def all_meanings() -> tuple[Meaning, ...]:
    """Everything that can be asked for, each once."""
    things = [Thing(c, s) for c, s in itertools.product(COLOURS, SHAPES)]
    found: dict[Meaning, None] = {}
    for kind in _OBJECT_KINDS:
        for thing in things:
            if not (kind == "spin" and thing.shape == "circle"):
                found.update(dict.fromkeys(wishes(Meaning(kind, (thing,)))))
    for kind in _PAIR_KINDS:
        for pair in itertools.permutations(things, 2):
            found.update(dict.fromkeys(wishes(Meaning(kind, pair))))
    for kind, colours in [(k, TEAM_COLOURS) for k in _TEAM_KINDS] + [(k, CAR_COLOURS) for k in _CAR_KINDS]:
        for colour in colours:
            found.update(dict.fromkeys(wishes(Meaning(kind, (Thing(colour),)))))
    found.update(dict.fromkeys(Meaning(kind) for kind in _PLAIN_KINDS))
    return tuple(found)


@lru_cache(maxsize=1)
def _templates() -> dict[str, str]:
    return {**_OBJECT_KINDS, **_PAIR_KINDS, **_TEAM_KINDS, **_CAR_KINDS, **_PLAIN_KINDS}


def _slots(meaning: Meaning) -> dict[str, str]:
    if meaning.kind in _TEAM_KINDS:
        colour = meaning.things[0].colour
        return {"team": f"the {colour} team" if colour else "a team"}
    if meaning.kind in _CAR_KINDS:
        colour = meaning.things[0].colour
        return {"car": f"a {colour} car" if colour else "a car"}
    vague = ("something", "something else")
    names = [f"a {t.colour} {t.shape}" if t.colour else vague[i] for i, t in enumerate(meaning.things)]
    return dict(zip("ab", names, strict=False))


@lru_cache(maxsize=1)
def _meanings() -> dict[str, Meaning]:
    both = [(m, text) for m in all_meanings() for held in (False, True) for text in sentences(m, held_out=held)]
    return {_normal(text): meaning for meaning, text in both}


def _normal(text: str) -> str:
    return " ".join(text.lower().replace(".", " ").split())
