"""Shared by the packaging tests: the project as a user gets it, in a folder of its own."""
import os
import shutil
import subprocess

import pytest

PROJECT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def unpack(folder):
    """The files that git knows or would take, as `make dist` lays them out: no git, a file that tells the commit."""
    names = subprocess.run(["git", "-C", PROJECT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True,
                           capture_output=True, text=True).stdout.split("\0")
    for name in filter(lambda name: os.path.isfile(os.path.join(PROJECT, name)), names):
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
        shutil.copy2(os.path.join(PROJECT, name), os.path.join(folder, name))
    (folder / "COMMIT").write_text(COMMIT + "\n")
    return folder


def make(folder, *arguments, check=True, **environment):
    """No flags of the make that runs the tests reach this one, and no repository around it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "CFLAGS", "MFLAGS"))}
    environment = {**inherited, "GIT_CEILING_DIRECTORIES": str(folder.parent), **environment}
    done = subprocess.run(["make", "--no-print-directory", *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


def without(folder, *names):
    """A PATH with every program of this one's but those, and ccache, which would look for the compiler behind itself."""
    folder.mkdir()
    for place in filter(lambda place: "ccache" not in place, os.environ["PATH"].split(":")):
        for name in os.listdir(place) if os.path.isdir(place) else ():
            if not name.startswith(names) and not os.path.lexists(folder / name):
                os.symlink(os.path.join(place, name), folder / name)
    return str(folder)


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """The sources, for what builds little of them."""
    return unpack(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The project built where there is neither apt nor dpkg, with the flags that it is shipped with."""
    folder = tmp_path_factory.mktemp("built")
    make(unpack(folder / "gateway"), "-j2", PATH=without(folder / "bin", "apt", "dpkg"))
    return folder / "gateway"
