from pathlib import Path

import pytest

from abathur.infrastructure import paths


@pytest.mark.parametrize("env", [{}, {"HOME": ""}, {"HOME": "relative"}])
def test_without_a_home_there_is_no_users_file(env: dict[str, str]) -> None:
    assert paths.user_config_file(env) is None


def test_the_users_file_lies_where_the_older_version_has_it() -> None:
    assert paths.user_config_file({"HOME": "/h"}) == Path("/h/.abathur/config.yaml")


def test_places_in_a_project() -> None:
    root = Path("/p")
    assert paths.project_folder(root) == Path("/p/.abathur")
    assert paths.run_folder(root, "t", 2) == Path("/p/.abathur/runs/t/2")
    assert paths.agent_folders(root)[-1] == Path("/p/.abathur/agents")
