"""Rounds of bursts, and what they tell: medians, and ratios that were taken within each round.

A round is one short burst for every contender, in random order. What disturbs the machine for longer than a round disturbs all
contenders alike, so the ratio of two of them in the same round has lost most of it; the median of the rounds' ratios is what is
reported (of a tail, the ratio of the medians), and between which bounds 95 % of the medians lie that the same rounds could have
given (bootstrap).
"""
import random
import statistics
import sys

from loads import BurstFailed, burst, system_calls

WARM_SECONDS = 0.3
REPEATS = 2
failures = []  # of all shapes, for the report


def sound_burst(*arguments, **how):
    """A burst that failed is repeated, and reported: one hiccup should not cost the whole run."""
    for _ in range(REPEATS):
        try:
            return burst(*arguments, **how)
        except BurstFailed as failure:
            failures.append(str(failure))
            print(f"\nrepeated: {failure}", file=sys.stderr)
    return burst(*arguments, **how)


def rounds_of(title, contenders, rounds, seconds):
    """contenders: {name: (process, load)}. A list of {name: figures}."""
    names = list(contenders)
    for process, load in contenders.values():
        sound_burst(process, load, WARM_SECONDS)  # connections are made, caches are warm
    result = []
    for number in range(rounds):
        random.shuffle(names)
        result.append({name: sound_burst(*contenders[name], seconds, seed=number + 1) for name in names})
        print(f"\r{title}: round {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return result


def ratio(rounds, name, base, key="cpu_us"):
    """[median, low, high] of the rounds' ratios."""
    values = [r[name][key] / r[base][key] for r in rounds]
    dice = random.Random(1)
    medians = sorted(statistics.median(dice.choices(values, k=len(values))) for _ in range(2000))
    return [round(x, 3) for x in (statistics.median(values), medians[50], medians[1949])]


def ratio_of_medians(rounds, name, base, key):
    """[ratio of the medians over all rounds, low, high]. For tails: what makes one burst's tail long is over before the next
    begins, so the rounds pair nothing, and the quotient of two long-tailed figures would have a longer tail than either."""
    dice = random.Random(1)

    def once(of):
        return statistics.median(r[name][key] for r in of) / statistics.median(r[base][key] for r in of)

    ratios = sorted(once(dice.choices(rounds, k=len(rounds))) for _ in range(2000))
    return [round(x, 3) for x in (once(rounds), ratios[50], ratios[1949])]


def summary(rounds, bases, contenders):
    """{name: medians, ratios}; the order is the contenders'."""
    rows = {}
    for name in contenders:
        row = {key: round(statistics.median(r[name][key] for r in rounds), 4) for key in rounds[0][name]}
        for base in bases:
            if base in contenders and base != name:
                row[f"x {base}"] = ratio(rounds, name, base)
                row[f"p99 x {base}"] = ratio_of_medians(rounds, name, base, "p99")
        rows[name] = row
    return rows


def add_system_calls(rows, contenders, seconds):
    for name, (process, load) in contenders.items():
        calls = system_calls(process, load, seconds)
        rows[name]["calls"] = calls and round(calls, 2)
