"""The Makefile's promises to people who build the gateway on another system than the developers'."""
import os
import re
import subprocess
import tarfile

import pytest

from conftest import COMMIT, PROJECT, make, unpack, without

OBJECT = "build/obj/breaker/state.o"


def files_below(folder):
    return sorted(os.path.relpath(os.path.join(place, name), folder) for place, _, names in os.walk(folder) for name in names)


def test_two_folders_give_the_same_bytes(built, tmp_path):
    other = unpack(tmp_path / "another" / "and deeper")
    make(other, "-j2")
    for name in ("gateway", "autoscaler"):
        one, two = (folder / "build" / name for folder in (built, other))
        assert one.read_bytes() == two.read_bytes()
        assert str(built).encode() not in one.read_bytes()


def test_the_version_tells_the_commit(built):
    for name in ("gateway", "autoscaler"):
        done = subprocess.run([built / "build" / name, "--version"], capture_output=True, text=True)
        assert done.stdout.strip().endswith(f"({COMMIT[:12]})")


def test_install_goes_where_it_is_told_and_uninstall_leaves_nothing(built, tmp_path):
    tmp_path = tmp_path / "a folder"
    into = {"DESTDIR": str(tmp_path), "prefix": "/opt/g", "bindir": "/opt/g/sbin", "mandir": "/opt/man", "datadir": "/opt/data"}
    told = [f"{name}={value}" for name, value in into.items()]
    make(built, "install", *told)
    installed = files_below(tmp_path)
    assert {"opt/g/sbin/gateway", "opt/g/sbin/autoscaler", "etc/gateway/gateway.yml.example"} <= set(installed)
    mine = tmp_path / "etc/gateway/gateway.yml"
    mine.write_text("listen: 8080\n")
    make(built, "uninstall", *told)
    assert files_below(tmp_path) == ["etc/gateway/gateway.yml"]
    mine.unlink()
    make(built, "install", f"DESTDIR={tmp_path}", "PREFIX=/usr")
    assert "usr/bin/gateway" in files_below(tmp_path)
    make(built, "uninstall", f"DESTDIR={tmp_path}", "PREFIX=/usr")
    assert files_below(tmp_path) == []


def test_install_compiles_nothing_again(built, tmp_path):
    before = (built / "build/gateway").stat().st_mtime_ns
    make(built, "install", f"DESTDIR={tmp_path}", "prefix=/usr")
    make(built, "install", f"DESTDIR={tmp_path}", "prefix=/usr", "COMMIT=")
    assert (built / "build/gateway").stat().st_mtime_ns == before


def test_the_gateway_looks_where_its_configuration_was_installed(source):
    make(source, "sysconfdir=/usr/local/etc", "CFLAGS=-O0", "build/obj/gateway/main.o")
    assert b"/usr/local/etc/gateway/gateway.yml" in (source / "build/obj/gateway/main.o").read_bytes()
    make(source, "CFLAGS=-O0", "build/obj/gateway/main.o")
    assert b"/usr/local/etc" not in (source / "build/obj/gateway/main.o").read_bytes()


@pytest.mark.parametrize("change", ["CFLAGS=-O1", "CPPFLAGS=-DNDEBUG", "CC=gcc", "LDFLAGS=-Wl,-O1"])
def test_other_flags_rebuild_the_objects(source, change):
    def built_at(*arguments):
        make(source, "CFLAGS=-O0", *arguments, OBJECT)
        return (source / OBJECT).stat().st_mtime_ns

    first = built_at()
    assert built_at() == first
    second = built_at(change)
    assert second > first and built_at(change) == second
    assert built_at() > second


def test_one_tests_own_flags_build_nothing_else_again(source):
    make(source, "CFLAGS=-O0", OBJECT)
    before = (source / OBJECT).stat().st_mtime_ns
    make(source, "-n", "CFLAGS=-O0", "build/unit/test_memory_short")
    make(source, "CFLAGS=-O0", "build/obj/tests/unit/test_memory_short.o")
    assert make(source, "-n", "CFLAGS=-O0", OBJECT).stdout == "" or (source / OBJECT).stat().st_mtime_ns == before


def test_flags_of_the_users_own_keep_a_tests(source):
    printed = make(source, "-n", "V=1", "CFLAGS=-O0", "LDFLAGS=-L/opt/lib", "build/unit/test_memory_short").stdout
    assert re.search(r"-L/opt/lib .*--wrap=calloc", printed)


def test_missing_libraries_are_named_for_four_distributions(source):
    done = make(source, OBJECT, "CFLAGS=-O2 -g0", check=False, PKG_CONFIG_LIBDIR="/nowhere")
    assert done.returncode != 0
    for package in ("Debian: libc-ares-dev", "Fedora: c-ares-devel", "Alpine: c-ares-dev", "Arch: c-ares"):
        assert package in done.stderr
    assert "libyaml-dev" in done.stderr, "all of it at once"


def test_a_machine_with_32_bits_is_refused_in_one_sentence(source):
    for flags in ("CFLAGS=-O2 -m32", "CC=gcc -m32"):
        done = make(source, OBJECT, flags, check=False)
        assert done.returncode != 0 and "the gateway needs a 64-bit machine" in done.stderr and "missing" not in done.stderr


@pytest.mark.parametrize("target", ["all", "install", "check", "autoscaler", "hospital"])
def test_nothing_is_installed_unless_asked_for(source, tmp_path, target):
    """An apt-get and a dpkg-query before the real ones, which tell that they were called."""
    for name in ("apt-get", "dpkg-query", "sudo"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho called >>{tmp_path}/called\nexit 1\n")
        program.chmod(0o755)
    done = make(source, target, check=False, PATH=f"{tmp_path}:{os.environ['PATH']}", PKG_CONFIG_LIBDIR="/nowhere")
    assert done.returncode != 0 and "Debian: libyaml-dev" in done.stderr
    assert not (tmp_path / "called").exists()
    make(source, "deps-build", check=False, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (tmp_path / "called").exists()


def test_ar_and_objcopy_are_those_that_are_named(source):
    printed = make(source, "-n", "V=1", "AR=my-ar", "OBJCOPY=my-objcopy", "CFLAGS=-O0", "build/libworld.a").stdout
    assert "\nmy-ar qcs build/libgateway.a" in printed and "\nmy-objcopy --redefine-syms" in printed


def test_dist_is_what_was_committed(tmp_path):
    if not os.path.isdir(os.path.join(PROJECT, ".git")) and not os.path.isfile(os.path.join(PROJECT, ".git")):
        pytest.skip("make dist needs the repository")
    subprocess.run(["make", "-s", "-C", PROJECT, "dist"], check=True)
    version = open(os.path.join(PROJECT, "VERSION")).read().strip()
    with tarfile.open(os.path.join(PROJECT, "build", f"gateway-{version}.tar.gz")) as archive:
        head = subprocess.run(["git", "-C", PROJECT, "rev-parse", "HEAD"], capture_output=True, text=True).stdout
        assert archive.extractfile(f"gateway-{version}/COMMIT").read().decode() == head


def test_dist_without_git_says_so(source, tmp_path):
    done = make(source, "dist", check=False, PATH=without(tmp_path / "bin", "git"))
    assert done.returncode != 0 and "git: " in done.stderr and not list((source / "build").glob("*.tar.gz"))


def test_lint_takes_all_files_without_git(source, tmp_path):
    done = subprocess.run(["python3", "tests/lint/run", "quick"], cwd=source, capture_output=True, text=True,
                          env={**os.environ, "PATH": without(tmp_path / "bin", "git")})
    assert done.returncode == 0 and done.stdout.endswith("fine\n"), done.stdout + done.stderr
