"""The manual pages and the shells' completions: printed from the programs' own tables, complete, and well formed."""
import os
import re
import subprocess

import pytest

from conftest import PROJECT

PAGES = ("gateway.8", "autoscaler.8", "gateway.yml.5")


def page(built, name):
    done = subprocess.run(["man", "--warnings", "--local-file", built / "build/manual" / name], capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "1000", "MANROFFOPT": "-c", "GROFF_NO_SGR": "1"})
    assert done.returncode == 0 and done.stderr == ""
    return re.sub(r".\x08", "", done.stdout)


def options(built, program):
    told = subprocess.run([built / "build" / program, "--help"], capture_output=True, text=True).stdout
    return set(re.findall(r"^  .*?(--[a-z-]+)", told, re.M))


@pytest.mark.parametrize("program", ["gateway", "autoscaler"])
def test_every_option_is_in_manual_and_completions(built, program):
    known = options(built, program)
    assert {"--help", "--version", "--healthcheck"} < known
    assert known == set(re.findall(r"^ +.*?(--[a-z-]+)", page(built, f"{program}.8").split("OPTIONS")[1].split("EXIT STATUS")[0], re.M))
    typed = f"source build/manual/{program}.bash; COMP_WORDS=({program} --) COMP_CWORD=1; _{program}; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", typed], cwd=built, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == known
    assert set(re.findall(r"'(--[a-z-]+)\[", (built / f"build/manual/_{program}").read_text())) == known


def test_what_the_manual_names_is_an_option(built):
    for option in options(built, "gateway") - {"--config"}:
        done = subprocess.run([built / "build/gateway", option, "/nowhere.yml"], capture_output=True, text=True)
        assert "unrecognized" not in done.stderr


def test_every_key_is_in_the_manual(built):
    with open(os.path.join(PROJECT, "routes/config/keys.h")) as file:
        rows = re.findall(r"^\t(?:KEY|GROUP)\((\w+), \"(\w+)\"", file.read(), re.M)
    assert len(rows) > 70
    text = page(built, "gateway.yml.5")
    for scope, name in rows:
        assert re.search(rf"^ +([\w.\[\]]+\.)?{name}( |$)", text, re.M), (scope, name)
    assert re.search(r"upstreams\.NAME\.breaker\.open_for\b", text) and re.search(r"routes\[\]\.fallback\.status\b", text)


def test_completion_offers_files(built, tmp_path):
    (tmp_path / "mine.yml").touch()
    typed = f"source {built}/build/manual/gateway.bash; COMP_WORDS=(gateway --config mi) COMP_CWORD=2; _gateway; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", typed], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["mine.yml"]
