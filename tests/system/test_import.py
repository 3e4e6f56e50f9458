"""gateway --import: the command line, and what it makes of the configurations in tests/data/spring."""
import importlib.machinery
import importlib.util
import os

import pytest

from process import BINARY, run

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "spring")
loader = importlib.machinery.SourceFileLoader("update", os.path.join(DATA, "update"))
update = importlib.util.module_from_spec(importlib.util.spec_from_loader("update", loader))
update.BINARY = BINARY
loader.exec_module(update)
CONFIGURATIONS = update.configurations()


def read(name):
    with open(os.path.join(DATA, name), encoding="utf-8") as file:
        return file.read()


def test_cors_that_no_route_gets_is_not_exact(tmp_path):
    file = tmp_path / "application.yml"
    file.write_text("""spring.cloud.gateway:
  globalcors.cors-configurations:
    '[/ward/**]': { allowedOrigins: 'https://a.example' }
    '[/none/**]': { allowedOrigins: 'https://b.example' }
  routes: [{ id: ward, uri: 'http://ward:8080', predicates: [Path=/ward/**] }]
""")
    done = run("--import", str(file))
    assert done.returncode == 0 and "https://a.example" in done.stdout and "https://b.example" not in done.stdout
    print(done.stderr)
    lines = [line for line in done.stderr.splitlines() if "no route gets it" in line]
    assert lines and all("refused" in line for line in lines)


def test_there_are_ten():
    assert len(CONFIGURATIONS) >= 10


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_result_verdicts_and_check(name, tmp_path):
    """tests/data/spring/update writes both anew."""
    update.BINARY = BINARY
    done = update.run(CONFIGURATIONS[name])
    assert done.returncode == 0, done.stderr
    assert done.stdout == read(name + ".gateway.yml")
    assert done.stderr == read(name + ".verdicts")
    file = tmp_path / "gateway.yml"
    file.write_text(done.stdout)
    checked = run("--check", str(file))
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_line_has_a_verdict(name):
    """The import names the line of every value, in a file without notations that hide it."""
    spoken = {line.split(": ")[0] for line in read(name + ".verdicts").splitlines()}
    for file in CONFIGURATIONS[name]:
        if "profile" in read(file) or file.endswith(".properties"):
            continue
        for number, line in enumerate(read(file).splitlines(), 1):
            text = line.split("#")[0] if not line.strip().startswith("#") else ""
            bare = text.strip().removeprefix("- ")
            if bare and not bare.endswith(":") and not bare.startswith("name:") and bare not in ("---", "routes: []"):
                assert f"{file}:{number}" in spoken, line


def test_profiles_of_the_environment(tmp_path):
    file = tmp_path / "application.yml"
    file.write_text("server.port: 1001\n---\nspring.config.activate.on-profile: prod\nserver.port: 1002\n")
    plain = {key: value for key, value in os.environ.items() if key != "SPRING_PROFILES_ACTIVE"}
    assert "listen: 1001\n" in run("--import", str(file), env=plain).stdout
    assert "listen: 1002\n" in run("--import", str(file), env={**plain, "SPRING_PROFILES_ACTIVE": "prod"}).stdout


def test_files_of_a_profile_have_precedence(tmp_path):
    """In the order in which a shell names them, application-prod.yml comes first."""
    (tmp_path / "application.yml").write_text("server.port: 1001\n")
    (tmp_path / "application-prod.yml").write_text("server.port: 1002\n")
    done = run("--import", "application-prod.yml", "application.yml", cwd=tmp_path)
    assert "listen: 1002\n" in done.stdout


def test_nothing_is_written_without_a_file_that_can_be_read(tmp_path):
    broken = tmp_path / "broken.yml"
    broken.write_text("a: [\n")
    empty = tmp_path / "empty.yml"
    empty.write_text("# nothing yet\n")
    for arguments in (["--import"], ["--import", str(tmp_path / "none.yml")], ["--import", str(broken)], ["--import", str(empty)]):
        done = run(*arguments)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr != ""


def test_a_file_without_a_route_says_so(tmp_path):
    file = tmp_path / "application.yml"
    file.write_text("server.port: 1001\n")
    assert run("--import", str(file)).stderr.endswith("gateway: no route could be imported: /replace-me only makes the file complete\n")


def test_a_result_too_large_to_read_leaves_no_line_exact(tmp_path):
    file = tmp_path / "application.yml"
    file.write_text("server.port: 1001\nspring.cloud.gateway:\n  httpclient.connect-timeout: 2s\n"
                    f"  default-filters: ['AddRequestHeader=X-A, {'v' * 2000}']\n  routes:\n" +
                    "".join(f"  - {{id: r{i}, uri: 'http://r:1', predicates: [Path=/r{i}/**]}}\n" for i in range(1000)))
    done = run("--import", str(file))
    assert done.returncode == 0 and "\nlisten:" not in done.stdout
    assert ":1: refused: server.port: " in done.stderr
    assert "\ngateway: 0 lines exact, 0 different, " in done.stderr
    file.write_text(done.stdout)
    assert run("--check", str(file)).returncode == 0


def test_large_and_deep_files_are_refused(tmp_path):
    for text in ("a" * (1 << 20) + "b", "[" * 100, "a: &a [x]\n" + "b: [" + "*a," * 200000 + "]\n"):
        file = tmp_path / "a.yml"
        file.write_text(text)
        assert run("--import", str(file)).returncode == 2
