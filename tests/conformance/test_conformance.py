"""tests/data/ against the gateway: every case whole and one byte at a time."""
import os
import random

import pytest

from cases import load
from ends import Lane, Recorder, in_lanes
from inputs import generate, mutate, seeds
from process import Gateway

LANES = 8
MUTATIONS = int(os.environ.get("MUTATIONS", "2000"))


@pytest.fixture(scope="module")
def lanes(tmp_path_factory):
    recorders = [Recorder() for _ in range(LANES)]
    gateways = [Gateway(tmp_path_factory.mktemp("gateway"), recorder, None, access_log="off", workers=1,
                        defaults={"breaker": "off"}) for recorder in recorders]
    yield [Lane(gateway.port, recorder) for gateway, recorder in zip(gateways, recorders)]
    for gateway in gateways:
        gateway.stop()
    for recorder in recorders:
        recorder.stop()


def check(results):
    wrong = {case: complaints for case, complaints in results.items() if complaints}
    assert not wrong, "\n" + "\n".join(f"{case}: {complaint}" for case, complaints in wrong.items() for complaint in complaints)


@pytest.mark.parametrize("is_bytewise", [False, True], ids=["whole", "bytewise"])
def test_requests(lanes, is_bytewise):
    check(in_lanes(lanes, lambda lane, case: lane.request(case, is_bytewise), load("requests")))


@pytest.mark.parametrize("is_bytewise", [False, True], ids=["whole", "bytewise"])
def test_responses(lanes, is_bytewise):
    check(in_lanes(lanes, lambda lane, case: lane.response(case, is_bytewise), load("responses")))


def test_whatever_comes(lanes):
    draw, corpus = random.Random(1), seeds()
    inputs = [mutate(draw, generate(draw) if draw.random() < 0.5 else draw.choice(corpus), corpus) for _ in range(MUTATIONS)]
    results = in_lanes(lanes, lambda lane, number: lane.anything(inputs[number]), range(MUTATIONS))
    check({inputs[number]: complaints for number, complaints in results.items()})


def test_the_suite_is_as_large_as_promised():
    assert len(load("requests")) >= 400 and len(load("responses")) >= 150
