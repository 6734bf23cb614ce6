"""What Python code does to files and processes is seen without anybody having named the place."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import json, os, shutil, subprocess, sys
from pathlib import Path
root = Path(sys.argv[1])
from abathur.chaos import sites
told = []
def before(name):
    told.append(["before", name, sorted(p.name for p in root.iterdir())])
    return True
def after(name):
    told.append(["after", name, sorted(p.name for p in root.iterdir())])
sites.watch(root, before, after)
namespace = {"__name__": "abathur.made.up", "root": root, "os": os, "shutil": shutil,
             "subprocess": subprocess, "Path": Path}
code = "def act():\\n    " + sys.argv[2] + "\\n    return 1\\n"
exec(compile(code, "made_up", "exec"), namespace)
namespace["act"]()
sys.settrace(None)
print(json.dumps(told))
"""

DEEDS = {
    "open": "(root / 'x').write_text('x')",
    "os.mkdir": "(root / 'x').mkdir()",
    "os.rename": "(root / 'there').replace(root / 'x')",
    "os.remove": "(root / 'there').unlink()",
    "os.symlink": "os.symlink(root / 'x', root / 'y')",
    "os.link": "os.link(root / 'there', root / 'y')",
    "os.truncate": "os.truncate(root / 'there', 0)",
    "shutil.rmtree": "shutil.rmtree(root / 'folder')",
    "os.rmdir": "(root / 'folder').rmdir()",
    "os.fsync": "os.fsync(os.open(root / 'there', os.O_RDONLY))",
    "subprocess.Popen": "subprocess.run(['true'])",
    "os.kill": "os.kill(os.getpid(), 0)",
    "os.killpg": "os.killpg(os.getpgrp(), 0)",
}


def told_by(root: Path, deed: str) -> list[tuple[str, str, list[str]]]:
    (root / "there").write_text("there")
    (root / "folder").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(root), deed], check=True, capture_output=True, text=True
    )
    return [(moment, name, files) for moment, name, files in json.loads(done.stdout)]


@pytest.mark.parametrize(("event", "deed"), DEEDS.items(), ids=DEEDS)
def test_a_deed_is_told_with_its_place_before_and_after_it(
    tmp_path: Path, event: str, deed: str
) -> None:
    told = told_by(tmp_path, deed)
    moments = [moment for moment, name, _ in told if name == f"{event}@made.up.act"]
    assert moments[:2] == ["before", "after"]


def test_after_means_that_it_is_done(tmp_path: Path) -> None:
    before, after = told_by(tmp_path, DEEDS["open"])[:2]
    assert "x" not in before[2]
    assert "x" in after[2]


@pytest.mark.parametrize(
    "deed", ["(root / 'there').read_text()", "Path('/dev/null').write_text('x')"]
)
def test_reading_and_what_lies_elsewhere_is_no_point(tmp_path: Path, deed: str) -> None:
    assert told_by(tmp_path, deed) == []
