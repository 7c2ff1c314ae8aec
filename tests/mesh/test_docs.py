"""The Python example of the mesh page runs, and its table of cases is one."""

import re
from pathlib import Path

from kntls.mesh.cases import read_table

PAGE = (Path(__file__).parents[2] / "docs" / "mesh.md").read_text()


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


def test_the_library_example_prints_the_rule_that_decides(capsys):
    exec(compile(block("python"), "docs/mesh.md", "exec"), {})
    assert capsys.readouterr().out == "200 an ALLOW rule matches ns[foo]-policy[friends]-rule[0]\n"


def test_the_table_of_cases_is_one():
    assert [case.id for case in read_table(block("json"), "docs/mesh.md").cases] == ["shop-reads", "shop-writes"]
