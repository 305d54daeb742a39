"""Captions: a small English grammar that describes scenes, with paraphrases."""

from dataclasses import replace

from scenes import OPPOSITE

_SIZES = {
    "small": ("small", "small", "small", "tiny", "little"),
    "medium": ("medium", "medium", "medium", "medium-sized", "mid-sized"),
    "large": ("large", "large", "large", "big", "huge"),
}
_RELATIONS = {
    "above": ("above", "above", "above", "over", "on top of"),
    "below": ("below", "below", "below", "under", "beneath", "underneath"),
    "left of": ("left of", "to the left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "to the right of", "on the right of"),
}
_BACKGROUNDS = (
    "{} on {} background",
    "{} on {} background",
    "{} on {} background",
    "{} against {} background",
    "{} in front of {} background",
    "{} with {} background",
    "{} on {bare}",
)
_OPENINGS = ("",) * 7 + ("a picture of ", "an image of ", "a drawing of ", "there is ")


def caption(scene):
    """The plain caption, with every attribute and no paraphrase."""
    text = _noun(scene.items[0])
    if scene.relation:
        text = f"{text} {scene.relation} {_noun(scene.items[1])}"
    return f"{text} on {_with_article(scene.background)} background"


def sample_caption(rng, scene):
    """A random caption that is true of the scene: paraphrased, reversed, and with parts left out at times."""
    if rng.random() < 0.25:
        return caption(scene)
    if scene.relation and rng.random() < 0.35:
        scene = replace(scene, items=scene.items[::-1], relation=OPPOSITE[scene.relation])
    text = _sample_noun(rng, scene.items[0])
    if scene.relation:
        text = f"{text} {_pick(rng, _RELATIONS[scene.relation])} {_sample_noun(rng, scene.items[1])}"
    chance = rng.random()
    if chance < 0.06:
        pass
    elif chance < 0.14:
        text = f"{_with_article(scene.background)} background with {text}"
    else:
        colour = scene.background
        text = _pick(rng, _BACKGROUNDS).format(text, _with_article(colour), bare=colour)
    text = _pick(rng, _OPENINGS) + text
    if rng.random() < 0.1:
        text += "."
    return text


def _noun(item):
    return f"{_with_article(item.size)} {item.colour} {item.shape}"


def _sample_noun(rng, item):
    size, colour = _pick(rng, _SIZES[item.size]), item.colour
    chance = rng.random()
    if chance < 0.08:
        words = [colour, item.shape]
    elif chance < 0.11:
        words = [size, item.shape]
    elif chance < 0.19:
        words = [colour, size, item.shape]
    else:
        words = [size, colour, item.shape]
    start = "the" if rng.random() < 0.04 else article(words[0])
    return " ".join([start, *words])


def _with_article(word):
    return f"{article(word)} {word}"


def article(word):
    """The indefinite article before a word."""
    return "an" if word[0] in "aeiou" else "a"


def _pick(rng, choices):
    return choices[rng.integers(len(choices))]
