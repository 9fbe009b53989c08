"""newer_glibc.sh: nothing where the host is new enough, one sentence where it cannot help, nothing half made."""

import shutil

import pytest

NEWER_GLIBC = "pipeline_lib/nightlite/runner/tfx_env/newer_glibc.sh"


@pytest.fixture
def debian_12(host, tmp_path):
    (tmp_path / "keyring").touch()
    host.command("getconf", "echo glibc 2.36")
    host.command("patchelf", "exit 0")
    host.command("dpkg-deb", "exit 0")
    host.command("apt-config", "exit 0")
    host.command(
        "apt-get", 'case "$1" in indextargets) echo http://127.0.0.1:9/debian bookworm main ;; *) exit 100 ;; esac'
    )
    return host


def run(host, *arguments):
    return host.run(host.project / NEWER_GLIBC, *arguments, DEBIAN_KEYRING=str(host.project.parent / "keyring"))


@pytest.mark.parametrize("version", ["2.38", "2.41", "2.100", "3.0"])
def test_does_nothing_where_the_host_is_new_enough(host, tmp_path, version):
    host.command("getconf", f"echo glibc {version}")
    assert run(host, "--check").stdout == "host\n"
    done = run(host, tmp_path / "venv", tmp_path / "glibc")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "glibc").exists()


def test_does_nothing_on_macos(host, tmp_path):
    host.command("uname", "echo Darwin")
    (host.bin / "getconf").unlink()
    assert run(host, "--check").stdout == "host\n"
    assert run(host, tmp_path / "venv", tmp_path / "glibc").returncode == 0


@pytest.mark.parametrize("version", ["2.36", "2.4", "2.37.9"])
def test_offers_a_newer_one_on_debian(debian_12, version):
    debian_12.command("getconf", f"echo glibc {version}")
    assert run(debian_12, "--check").stdout == "newer\n"


@pytest.mark.parametrize(("lacks", "said"), [("apt-get", "only with apt-get"), ("keyring", "only with apt-get")])
def test_refuses_a_debian_that_lacks_what_it_takes(debian_12, tmp_path, lacks, said):
    (tmp_path / "keyring" if lacks == "keyring" else debian_12.bin / lacks).unlink()
    done = run(debian_12, "--check")
    assert done.returncode == 3
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_refuses_where_apt_knows_no_archive_of_this_release(debian_12):
    debian_12.command(
        "apt-get", "echo http://127.0.0.1:9/other bookworm-security main; echo http://127.0.0.1:9/x bookworm stable"
    )
    done = run(debian_12, "--check")
    assert done.returncode == 3
    assert "where apt knows an archive of Debian" in done.stderr


def test_a_failed_download_leaves_nothing(debian_12, tmp_path):
    done = run(debian_12, tmp_path / "venv", tmp_path / "glibc")
    assert done.returncode == 1
    assert "cannot be fetched from http://127.0.0.1:9/debian" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.glob("glibc*"))


def test_says_when_the_patched_python_does_not_load_it(debian_12, tmp_path):
    """patchelf's stand-in changes nothing, so python goes on with the host's glibc, which verification must see."""
    (tmp_path / "glibc").mkdir()
    (tmp_path / "glibc" / "ld-linux-x86-64.so.2").touch()
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    shutil.copy(debian_12.bin / "python3", tmp_path / "venv" / "bin" / "python")
    done = run(debian_12, tmp_path / "venv", tmp_path / "glibc")
    assert done.returncode == 1
    assert "does not load the newer glibc" in done.stderr
