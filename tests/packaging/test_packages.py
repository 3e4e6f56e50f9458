"""The unit, the Debian packages, the image's labels and its list of contents."""
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import PROJECT, make, unpack

MOST_EXPOSED = 1.5


def read(name):
    with open(os.path.join(PROJECT, name)) as file:
        return file.read()


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def unit(built, tmp_path_factory):
    """As it is installed, but that the program is where it was built."""
    make(built, "build/gateway.service")
    text = (built / "build/gateway.service").read_text()
    assert "/usr/local/bin/gateway /etc/gateway/gateway.yml" in text and "dir@" not in text
    file = tmp_path_factory.mktemp("unit") / "gateway.service"
    file.write_text(text.replace("/usr/local/bin/gateway", str(built / "build/gateway")))
    return file


def test_the_unit_is_well_formed(unit):
    done = run("systemd-analyze", "verify", "--man=no", unit)
    mine = [line for line in done.stderr.splitlines() if "gateway.service" in line]
    assert done.returncode == 0 and mine == []


def test_the_unit_exposes_little(unit):
    done = run("systemd-analyze", "security", "--offline=yes", f"--threshold={int(MOST_EXPOSED * 10)}", unit)
    assert done.returncode == 0, done.stdout
    assert float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout).group(1)) <= MOST_EXPOSED


def test_the_unit_starts_nothing_that_may_be_missing(unit):
    """A small Debian has no /bin/kill."""
    started = re.findall(r"^Exec\w+=(\S+)", unit.read_text(), re.M)
    assert len(started) == 2
    assert {os.path.basename(program) for program in started} == {"gateway", "sh"}


def test_the_log_is_rotated(tmp_path):
    text = read("deploy/systemd/gateway.logrotate")
    assert "USR1" in text
    (tmp_path / "conf").write_text(text)
    done = run("/usr/sbin/logrotate", "--debug", "--state", tmp_path / "state", tmp_path / "conf")
    assert done.returncode == 0 and "error" not in done.stderr.lower()


def test_all_tell_one_version():
    version = read("VERSION").strip()
    assert re.match(r"gateway \((.*)\)", read("debian/changelog")).group(1) == version
    assert set(re.findall(r'image\.version="(.*?)"', read("Dockerfile"))) == {version}


def test_the_debian_packages_are_well_made(tmp_path):
    source = unpack(tmp_path / "gateway-0")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = run("dpkg-buildpackage", "-b", "-us", "-uc", "-d", "-j2", cwd=source, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    changes, = tmp_path.glob("*.changes")
    told = run("lintian", "--fail-on", "warning", "--allow-root", changes)
    assert told.returncode == 0 and " W: " not in told.stdout, told.stdout
    package, = tmp_path.glob("gateway_*.deb")
    depends = run("dpkg-deb", "--field", package, "Depends").stdout
    assert "libcurl4t64 | libcurl4, libjose0, libpcre2-8-0" in depends and "libevent" in depends and "libc-ares2" in depends
    files = run("dpkg-deb", "--contents", package).stdout
    for name in ("usr/bin/gateway", "man8/gateway.8.gz", "man5/gateway.yml.5.gz", "system/gateway.service", "logrotate.d/gateway",
                 "bash-completion/completions/gateway"):
        assert name in files
    shutil.rmtree(tmp_path)


def fake_tools(folder, **tools):
    """A PATH that begins with these programs."""
    folder.mkdir()
    for name, text in tools.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_the_image_lists_what_is_in_it(built, tmp_path):
    if shutil.which("dpkg-query") is None:
        pytest.skip("the list is made of dpkg's database")

    def collect(name, **environment):
        done = run(os.path.join(PROJECT, "deploy/collect"), built / "build/gateway", tmp_path / name, "libcurl.so.4", "libjose.so.0",
                   "libpcre2-8.so.0", "libhiredis.so.*", cwd=PROJECT, env={**os.environ, "SOURCE_DATE_EPOCH": "1", "COMMIT": "abc", **environment})
        assert done.returncode == 0, done.stderr
        return (tmp_path / name / "usr/share/sbom/gateway.spdx.json").read_text()

    text = collect("one")
    assert text == collect("two")
    # The ldconfig of another machine than the program's knows none of its libraries.
    assert text == collect("three", PATH=fake_tools(tmp_path / "bin", ldconfig="true"))
    told = json.loads(text)
    assert told["spdxVersion"] == "SPDX-2.3" and told["creationInfo"]["created"] == "1970-01-01T00:00:01Z"
    packages = {package["name"]: package for package in told["packages"]}
    assert {"gateway", "libc6", "libyaml-0-2", "libseccomp2", "libpcre2-8-0"} <= packages.keys()
    assert any(name.startswith("libcurl4") for name in packages), "libcurl is in it, though no program is linked with it"
    assert "libjose0" in packages
    assert all(package["versionInfo"] and "/" not in package["SPDXID"] for package in packages.values())
    described = {relation["relatedSpdxElement"] for relation in told["relationships"]}
    assert described == {package["SPDXID"] for package in told["packages"]}
    assert packages["libc6"]["externalRefs"][0]["referenceLocator"].startswith("pkg:deb/debian/libc6@")


def test_what_ldd_refuses_is_no_image(tmp_path):
    (tmp_path / "program").write_text("#!/bin/sh\n")
    done = run(os.path.join(PROJECT, "deploy/collect"), tmp_path / "program", tmp_path / "image", cwd=PROJECT,
               env={**os.environ, "PATH": fake_tools(tmp_path / "bin", ldd="echo no; exit 1", strip="true")})
    assert done.returncode != 0 and "ldd does not understand" in done.stderr
