"""Asks a Prometheus every query of the dashboards, with Grafana's macros and variables put in as Grafana would: each
must have an answer, with the labels that its legend names. What each panel must have is looked at as well: a title of
its own, a description, a unit."""
import argparse
import json
import math
import pathlib
import re
import sys
import time
import urllib.parse
import urllib.request


def load(path):
    return json.loads(pathlib.Path(path).read_text())


def panels_of(board):
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def problems_of(path, board):
    names = [variable["name"] for variable in board["templating"]["list"]]
    if names != ["datasource", "run", "rank"]:
        yield f"{path}: the variables are {names}"
    titles = [panel["title"] for panel in panels_of(board)]
    if len(set(titles)) != len(titles) or not titles:
        yield f"{path}: panels without a title of their own: {titles}"
    taken = set()
    for panel in board["panels"]:
        where = panel["gridPos"]
        cells = {(x, y) for x in range(where["x"], where["x"] + where["w"]) for y in range(where["y"], where["y"] + where["h"])}
        if taken & cells or max(x for x, _ in cells) >= 24:
            yield f"{path}: {panel['title']} lies on another panel, or outside"
        taken |= cells
    for panel in panels_of(board):
        if not panel.get("description") or not panel["fieldConfig"]["defaults"].get("unit") or not panel.get("targets"):
            yield f"{path}: {panel['title']} lacks a description, a unit or a query"


def substituted(expression, run, rank, interval):
    for macro, value in (("$__rate_interval", interval), ("$run", run), ("$rank", rank)):
        expression = expression.replace(macro, value)
    if "$" in expression:
        sys.exit(f"a macro that is not known here: {expression}")
    return expression


def series_of(prometheus, expression):
    """The series that answer, as labels and value; a value that is not a number doesn't count."""
    url = prometheus + "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(url, timeout=10) as answer:
        result = json.load(answer)["data"]["result"]
    found = [(series["metric"], float(series["value"][1])) for series in result]
    return [(labels, value) for labels, value in found if math.isfinite(value)]


def queries(boards, arguments):
    for board in boards.values():
        for panel in panels_of(board):
            for target in panel["targets"]:
                expression = substituted(target["expr"], arguments.run, arguments.rank, arguments.interval)
                yield f"{board['title']} / {panel['title']}", expression, target["legendFormat"]


def is_answered(prometheus, query):
    """A series without any labels is a stand-in for none, such as vector(0)."""
    _, expression, legend = query
    named = set(re.findall(r"{{(\w+)}}", legend))
    return any(not labels or named <= labels.keys() for labels, _ in series_of(prometheus, expression))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("boards", nargs="+")
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--rank", default="(0|1)")
    parser.add_argument("--interval", default="10s")
    parser.add_argument("--wait", type=float, default=0, help="seconds in which all must have had an answer")
    parser.add_argument("--panel", help="print the values of the panel with this title, and look at no other")
    arguments = parser.parse_args()
    boards = {path: load(path) for path in arguments.boards}
    asked = list(queries(boards, arguments))
    if arguments.panel:
        for name, expression, _ in asked:
            if name.endswith(f" / {arguments.panel}"):
                print(*(value for _, value in series_of(arguments.prometheus, expression)))
        return
    problems = [problem for path, board in boards.items() for problem in problems_of(path, board)]
    deadline = time.monotonic() + arguments.wait
    empty = asked
    while empty:
        empty = [query for query in empty if not is_answered(arguments.prometheus, query)]
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    problems += [f"{name} has no data, or not the labels of '{legend}': {expression}" for name, expression, legend in empty]
    for problem in problems:
        print(problem)
    print(f"{len(asked)} queries of {sum(len(panels_of(board)) for board in boards.values())} panels")
    sys.exit(1 if problems else 0)


main()
