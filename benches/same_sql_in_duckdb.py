#!/usr/bin/env python3
"""Runs the Complete Journey's SQL in Goodwill and in DuckDB, and compares tables and cost.

    python3 -m venv .venv && .venv/bin/pip install -r benches/requirements.txt
    .venv/bin/python benches/same_sql_in_duckdb.py GOODWILL DATA SCRATCH

GOODWILL is the program, DATA the folder that pipelines/fetch-complete-journey.sh fills, SCRATCH a
folder that is not there yet. Both programs run as whole processes, in turns, from Parquet in to
Parquet out. Markdown goes to stdout, progress to stderr. The exit code is 1 if a table differs in
what Goodwill is not shown to be right about, or DuckDB could not compute one, so that nobody quotes
the figures of unequal work.

What is the same: every model's text as it stands in sql/, `$parameters` bound as prepared
parameters, in the order of what reads what, each result cast to the columns of its contract,
published tables written as zstd Parquet in the contract's order of rows; the same number of threads.

What is DuckDB's own, all of it below: the functions it lacks as macros; `integer_division`, as its `/`
makes doubles of integers; the sources as views with the cuts of docs/sources.md; the two models that
the program makes of segments, written after docs/pipeline-file.md; and TRANSLATIONS, tried only
after DuckDB refused a model as written, and printed. What calls OWN_FUNCTIONS, or reads what does, it cannot compute; so
segments whose rule names a model are taken out of both projects. Tables live in memory and are dropped after their last
reader, as Goodwill does.

What only Goodwill does: judge every row of the sources, check grains and audits, hash its files, write a
receipt and publish one version. DuckDB's side is spared reading YAML and ordering models, too: that
is done before its clock starts, and Goodwill's clock includes it.
"""

import argparse
import datetime
import decimal
import fractions
import graphlib
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import time
import zoneinfo

PIPELINE = "complete_journey"
RELATIVE_TOLERANCE = 1e-9

MACROS = [
    "create macro local_timestamp(instant, time_zone) as "
    "timezone(time_zone, timezone('UTC', instant))",
    "create macro local_date(instant, time_zone) as "
    "cast(local_timestamp(instant, time_zone) as date)",
    "create macro to_char(moment, format) as strftime(moment, format)",
    "create macro to_date(written, format) as cast(strptime(written, format) as date)",
]

# What stands in the SQL, and what says the same in DuckDB: it has no cast between timestamp and bigint,
# takes a DATE less an INTEGER, but not the BIGINT that one DATE less another gives, and calls `make_array` another name.
LISTS = [("make_array(", "list_value(")]
TRANSLATIONS = {
    "customer_attributes": LISTS,
    "growth_matrix": [
        ("p.period_no * $growth_period_days", "cast(p.period_no * $growth_period_days as integer)"),
        ("p.period_end - $growth_period_days", "p.period_end - cast($growth_period_days as integer)"),
        ("2 * $growth_period_days", "cast(2 * $growth_period_days as integer)"),
        *LISTS,
    ],
    "growth_pairs": LISTS,
    "order_histories": [("cast($clv_holdout_days as bigint)", "cast($clv_holdout_days as integer)")],
    "wake_products": LISTS,
    "campaign_before_after": [
        (
            "least(coalesce(c.ended_day, $as_of_day), $as_of_day) - c.started_day\n            as days",
            "cast(least(coalesce(c.ended_day, $as_of_day), $as_of_day) - c.started_day as integer) as days",
        ),
    ],
    "conversion_touches": [
        (
            "cast(c.ordered_at as bigint) - cast(t.touched_at as bigint)",
            "epoch_us(c.ordered_at) - epoch_us(t.touched_at)",
        ),
    ],
    "credit_touches": [
        (
            "cast(\n        cast(touched_at as bigint) + lookback_days * 86400000000 as timestamp\n    )",
            "make_timestamp(epoch_us(touched_at) + lookback_days * 86400000000)",
        ),
    ],
}

# Functions DuckDB has none like. Tables that call them, or read such a table, are left out here: what they say is compared
# with other programs' numbers by src/stats (tests/reference).
OWN_FUNCTIONS = re.compile(
    r"\b(?:bgnbd|mbgnbd|pareto_nbd|gamma_gamma|sbg|kmeans)_\w+\(|\b(?:discounted_clv\w*|plan_contacts|two_proportion_test)\("
)

# Quotients of decimals, which DuckDB computes as doubles. Where the two disagree, integers decide:
# (table, column): (dividend, divisor, digits after the point).
QUOTIENTS = {("sales_lines", "unit_price"): ("gross_sales", "quantity", 4)}


def main():
    arguments = parse_arguments()
    if arguments.part:
        return PARTS[arguments.part](arguments.goodwill, arguments.data)
    return measure(arguments)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("goodwill", metavar="GOODWILL", help="the program, a release build")
    parser.add_argument("data", metavar="DATA", help="the folder with the seven Parquet files")
    parser.add_argument("scratch", metavar="SCRATCH", nargs="?", help="a folder that is not there yet")
    parser.add_argument("--runs", type=int, default=3, help="runs of each, in turns (3)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each (all processors)")
    parser.add_argument("--part", choices=sorted(PARTS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.part and not arguments.scratch:
        parser.error("SCRATCH is missing")
    return arguments


# The driver: imports nothing large, so that its own memory never counts as a child's.


def measure(arguments):
    goodwill = str(pathlib.Path(arguments.goodwill).resolve())
    data = pathlib.Path(arguments.data).resolve()
    scratch = pathlib.Path(arguments.scratch).resolve()
    scratch.mkdir(parents=True)
    project = scratch / "project"
    checked([goodwill, "init", str(project), "--from", PIPELINE, "-q"])
    take_out_segments_of_models(project)
    job = plan(goodwill, project, data, arguments.threads)
    load_before = os.getloadavg()[0]

    say("DuckDB: asking which models it takes as written")
    rehearsed = duckdb_run(scratch, "rehearsal", job | {"rehearse": True})
    outcome = json.loads((scratch / "rehearsal" / "outcome.json").read_text())
    job["models"] = [model | outcome["models"][model["name"]] for model in job["models"]]
    say(f"DuckDB: {rehearsed['wall']:.1f} s")

    runs = {"Goodwill": [], "DuckDB": []}
    for number in range(1, arguments.runs + 1):
        root = scratch / f"goodwill-{number}"
        command = [goodwill, "run", "-q", "-p", PIPELINE, "--sources", str(data)]
        command += ["--root", str(root), "--threads", str(arguments.threads)]
        runs["Goodwill"].append(timed(command, project, scratch / f"goodwill-{number}.log"))
        runs["DuckDB"].append(duckdb_run(scratch, f"duckdb-{number}", job))
        for program, figures in runs.items():
            say(f"{program} {number}: {figures[-1]['wall']:.2f} s")

    compared = compare(scratch, job, root, scratch / f"duckdb-{arguments.runs}")
    print(report(goodwill, arguments, job, outcome, runs, compared, load_before))
    print("\n".join(["What Goodwill said at the end:", "", "```text", *tail(scratch / f"goodwill-{number}.log"), "```"]))
    return 1 if compared["findings"] or any(model["text"] is None for model in job["models"]) else 0


def duckdb_run(scratch, name, job):
    """Computes all models in a process of their own."""
    folder = scratch / name
    folder.mkdir()
    written = folder / "job.json"
    written.write_text(json.dumps(job, indent=1))
    return timed([sys.executable, __file__, "--part", "run", str(written), str(folder)], folder, folder / "log.txt")


def compare(scratch, job, root, folder):
    say("comparing every table")
    asked = scratch / "comparison.json"
    names = {"job": job, "views": str(root / "views" / "duckdb.sql"), "folder": str(folder)}
    asked.write_text(json.dumps(names))
    answered = scratch / "compared.json"
    checked([sys.executable, __file__, "--part", "compare", str(asked), str(answered)])
    return json.loads(answered.read_text())


def timed(command, folder, log):
    """Seconds of wall and processor and the largest resident memory of a process and its threads."""
    with open(log, "w", encoding="utf-8") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"`{' '.join(command)}` ended with {process.returncode}:\n{log.read_text()}")
    # Linux counts ru_maxrss in kibibytes, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return {"wall": wall, "processor": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * unit}


def checked(command, folder=None):
    done = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"`{' '.join(command)}` ended with {done.returncode}\n{done.stdout}")
    return done.stdout


def say(text):
    print(text, file=sys.stderr, flush=True)


def tail(log):
    lines = [line for line in log.read_text().splitlines() if line.strip()]
    return [line.strip() for line in lines[-3:]]


def report(goodwill, arguments, job, outcome, runs, compared, load_before):
    taken = [model for model in job["models"] if model["text"]]
    as_written = [model for model in taken if not model["refusal"] and not model["made"]]
    made = [model["name"] for model in taken if model["made"]]
    lines = [
        f"{checked([goodwill, '--version']).strip()}, DuckDB {outcome['version']}, {arguments.threads} threads each, "
        f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()} {platform.release()}; "
        f"{datetime.date.today()}; load average before the runs {load_before:.2f}.",
        "",
        f"| program | wall s | processor s | peak memory | each run, wall s |",
        "| --- | --- | --- | --- | --- |",
    ]
    for program, figures in runs.items():
        best = min(figures, key=lambda figure: figure["wall"])
        every = ", ".join(f"{figure['wall']:.2f}" for figure in figures)
        lines.append(
            f"| {program} | {best['wall']:.2f} | {best['processor']:.2f} | {best['peak'] / 1e6:.0f} MB | {every} |"
        )
    lines += [
        "",
        f"Models: {len(job['models'])}. DuckDB took {len(as_written)} as written, {len(made)} made of segments by "
        f"this script ({', '.join(made)}), {len(taken) - len(as_written) - len(made)} after a translation, "
        f"and could not compute {len(job['models']) - len(taken)}.",
        "",
    ]
    refused = [model for model in job["models"] if model["refusal"]]
    if refused:
        lines += ["| model refused as written | why | then |", "| --- | --- | --- |"]
        lines += [f"| {model['name']} | {model['refusal']} | {model['instead']} |" for model in refused]
        lines.append("")
    lines.append(
        f"Compared: {compared['tables']} tables, {compared['rows']} rows, {compared['columns']} columns, every value of "
        f"every row by key (doubles within {RELATIVE_TOLERANCE:g} of each other), and the sums of "
        f"{compared['sums']} numeric columns. Goodwill's own and not compared: {', '.join(job['own'])}. "
        f"By functions DuckDB lacks, or read from such: {', '.join(job['beyond'])}."
    )
    lines.append("")
    differences = [*compared["findings"], *compared["decided"]]
    if differences:
        lines += ["| table | column | Goodwill | DuckDB | what differs |", "| --- | --- | --- | --- | --- |"]
        lines += ["| " + " | ".join(finding) + " |" for finding in differences]
        lines += ["", "All other values are equal."]
    else:
        lines.append("All values are equal.")
    return "\n".join(lines) + "\n"


# The project, read as docs/pipeline-file.md and docs/sources.md describe it.


def take_out_segments_of_models(project):
    """Rules such as `customer_value.p_alive < 0.5`, and the unit tests, which expect them."""
    import yaml

    for path in (project / "sql").rglob("*.yml"):
        written = yaml.safe_load(path.read_text())
        if not isinstance(written, dict) or not {"segments", "unit_tests"} & written.keys():
            continue
        written.pop("unit_tests", None)
        if "segments" in written:
            names_none = lambda segment: not re.search(r"\b[a-z_]+\.[a-z_]+\b", segment["where"])
            written["segments"] = list(filter(names_none, written["segments"]))
        path.write_text(yaml.safe_dump(written, sort_keys=False, allow_unicode=True))


def plan(goodwill, project, data, threads):
    """What DuckDB is to run, as one document: sources, models inputs first, parameters."""
    import yaml

    pipeline = yaml.safe_load((project / "pipelines" / f"{PIPELINE}.yml").read_text())
    written = [
        yaml.safe_load(path.read_text())
        for folder in pipeline["models"]
        for path in sorted((project / "sql" / folder).glob("*.yml"))
    ]
    of = lambda key: [entry for document in written for entry in document.get(key) or []]
    contracts = {contract["name"]: contract for contract in of("models")}
    zone = zoneinfo.ZoneInfo(pipeline["time_zone"])
    day = pipeline["as_of"]
    as_of = datetime.datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(datetime.UTC).replace(tzinfo=None)
    sources = plan_sources(pipeline["sources"]["tables"], of("sources"), data, as_of)
    parameters = {
        "as_of": ["timestamp", as_of.isoformat()],
        "as_of_day": ["date", day.isoformat()],
        "known_at": ["timestamp", as_of.isoformat()],
        "time_zone": ["string", pipeline["time_zone"]],
    }
    parameters |= {name: [spec["type"], str(spec["default"])] for name, spec in pipeline["vars"].items()}
    for source in sources:
        parameters[f"absent_{source['name']}"] = ["bool", str(source["absent"])]
        parameters[f"undated_{source['name']}"] = ["bool", str(source["undated"])]
    listed = json.loads(checked([goodwill, "ls", "-p", PIPELINE, "--sources", str(data), "--output", "json"], project))
    segments = of("segments")
    made = {"segment_rules": segment_rules(segments), "segment_matches": segment_matches(segments)}
    models = {}
    for model in listed:
        name = model["name"]
        if model["path"].startswith("goodwill/"):
            continue
        if model["materialized"] not in ("table", "snapshot"):
            sys.exit(f"{name} is a {model['materialized']}: this script knows tables and snapshots only")
        contract = contracts.get(name) or {"columns": made[name]["columns"]}
        models[name] = {
            "name": name,
            "made": name in made,
            "written": made[name]["text"] if name in made else (project / model["path"]).read_text(),
            "reads": [read for read in model["reads"] if not read.startswith("sources.")],
            "grain": model["grain"],
            "order_by": contract.get("order_by") or model["grain"],
            "published": model["published"],
            "columns": [[column["name"], column["data_type"]] for column in contract["columns"]],
        }
    order = list(graphlib.TopologicalSorter({name: model["reads"] for name, model in models.items()}).static_order())
    beyond = set()
    for name in order:
        if OWN_FUNCTIONS.search(models[name]["written"]) or beyond & set(models[name]["reads"]):
            beyond.add(name)
    return {
        "threads": threads,
        "sources": [source["view"] for source in sources],
        "parameters": parameters,
        "models": [models[name] for name in order if name not in beyond],
        "beyond": [name for name in order if name in beyond and models[name]["published"]],
        "own": [model["name"] for model in listed if model["name"] not in models],
        "rehearse": False,
    }


def plan_sources(tables, contracts, data, as_of):
    """A view each: the contract's columns, cut at as_of. Those dated by another come after it."""
    contracts = {contract["name"]: contract for contract in contracts}
    sources = []
    for name, table in tables.items():
        spec = contracts[name] | table
        if "ingested_at" in spec:
            sys.exit(f"source {name} is cut by ingested_at: this script knows event_time only")
        path = data / spec["path"]
        absent = not path.exists()
        files = path / "**" / "*.parquet" if path.is_dir() else path
        columns = ", ".join(
            f"cast({'null' if absent else quoted(column['name'])} as {column['data_type']}) as {quoted(column['name'])}"
            for column in spec["columns"]
        )
        view = f"create view sources.{name} as select {columns}"
        conditions = []
        if absent:
            view += " where false"
        else:
            view += f" from read_parquet({literal(str(files))})"
            if "event_time" in spec:
                conditions.append(f"{quoted(spec['event_time'])} < timestamp '{as_of.isoformat(' ')}'")
            if "dated_by" in spec:
                conditions.append(dated_by(spec))
            if conditions:
                view += " where " + " and ".join(conditions)
        undated = bool(spec.get("undated"))
        sources.append({"name": name, "view": view, "absent": absent, "undated": undated, "late": "dated_by" in spec})
    return sorted(sources, key=lambda source: source["late"])


def dated_by(spec):
    """A row is read once the row it belongs to is."""
    column = next(column for column in spec["columns"] if column["name"] == spec["dated_by"])
    to = next(test["relationships"] for test in column["data_tests"] if "relationships" in test)
    return f"{quoted(column['name'])} in (select {quoted(to['field'])} from {to['to']})"


def segment_rules(segments):
    names = ["segment", "description", "kind", "rule", "priority", "owner"]
    keys = ["name", "description", "kind", "where", "priority", "owner"]
    row = lambda segment: [segment.get(key) for key in keys]
    values = ",\n".join("(" + ", ".join(map(literal, row(segment))) + ")" for segment in segments)
    types = ["bigint" if name == "priority" else "varchar" for name in names]
    columns = [{"name": name, "data_type": kind} for name, kind in zip(names, types)]
    return {"text": f"select * from (values {values}) as written ({', '.join(names)})", "columns": columns}


def segment_matches(segments):
    names = ", ".join(literal(segment["name"]) for segment in segments)
    rules = ",\n".join(f"({segment['where']}\n)" for segment in segments)
    asked = f"unnest([{names}]) as segment, unnest([{rules}]) as is_member"
    text = f"select * from (select snapshot_date, customer_id, {asked} from segment_facts)"
    columns = [("snapshot_date", "date"), ("customer_id", "bigint"), ("segment", "varchar"), ("is_member", "boolean")]
    return {
        "text": f"{text} where is_member is distinct from false",
        "columns": [{"name": name, "data_type": kind} for name, kind in columns],
    }


def literal(value):
    if value is None:
        return "null"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


# What runs in DuckDB's process, and is timed.


def run_models(job, folder):
    import duckdb

    job = json.loads(pathlib.Path(job).read_text())
    folder = pathlib.Path(folder)
    connection = connected(duckdb, job)
    values = {name: typed(*parameter) for name, parameter in job["parameters"].items()}
    readers = {model["name"]: 0 for model in job["models"]}
    for model in job["models"]:
        for read in model["reads"]:
            readers[read] += 1
    outcomes = {}
    for model in job["models"]:
        name = model["name"]
        if job["rehearse"]:
            outcomes[name] = rehearse(duckdb, connection, model, values, outcomes)
            continue
        if model["text"]:
            create(connection, model, model["text"], values)
            if model["published"]:
                order = ", ".join(map(quoted, model["order_by"]))
                file = literal(str(folder / f"{name}.parquet"))
                connection.execute(
                    f"copy (select * from {name} order by {order}) to {file} (format parquet, compression zstd)"
                )
        for read in [*model["reads"], name]:
            readers[read] -= read != name
            if readers[read] == 0:
                connection.execute(f"drop table if exists {read}")
    if job["rehearse"]:
        outcome = {"version": duckdb.__version__, "models": outcomes}
        (folder / "outcome.json").write_text(json.dumps(outcome, indent=1))


def connected(duckdb, job):
    connection = duckdb.connect()
    connection.execute(f"set threads = {job['threads']}")
    connection.execute("set timezone = 'UTC'")
    connection.execute("set integer_division = true")
    connection.execute("create schema sources")
    for statement in [*MACROS, *job["sources"]]:
        connection.execute(statement)
    return connection


def rehearse(duckdb, connection, model, values, before):
    """Which text DuckDB takes: as written, else translated, else none."""
    name = model["name"]
    missing = [read for read in model["reads"] if before[read]["text"] is None]
    if missing:
        return {"text": None, "refusal": f"not tried: reads {', '.join(missing)}", "instead": "not computed"}
    why = refusal(duckdb, connection, model, model["written"], values)
    if why is None:
        return {"text": model["written"], "refusal": None, "instead": None}
    text = model["written"]
    for written, translated in TRANSLATIONS.get(name, []):
        if written not in text:
            sys.exit(f"the translation of {name} no longer fits its SQL: `{written}`")
        text = text.replace(written, translated)
    if text == model["written"]:
        return {"text": None, "refusal": why, "instead": "not computed"}
    still = refusal(duckdb, connection, model, text, values)
    if still is not None:
        return {"text": None, "refusal": why, "instead": f"not computed: translated, {still}"}
    done = "; ".join(f"`{' '.join(a.split())}` → `{b}`" for a, b in TRANSLATIONS[name])
    return {"text": text, "refusal": why, "instead": done}


def refusal(duckdb, connection, model, text, values):
    """Why DuckDB does not take it, in its words; none if it does."""
    try:
        create(connection, model, text, values)
        return None
    except duckdb.Error as error:
        # The first paragraph says it; what other types there are, or the place in the SQL, follows.
        return " ".join(str(error).split("\n\n")[0].split("Candidate functions:")[0].split())


def create(connection, model, text, values):
    """The model's SELECT, its columns cast to the contract's types."""
    columns = ", ".join(f"cast({quoted(column)} as {kind}) as {quoted(column)}" for column, kind in model["columns"])
    uncommented = re.sub(r"--[^\n]*", "", text)
    named = set(re.findall(r"\$([a-z_0-9]+)", uncommented))
    bound = {name: values[name] for name in named}
    statement = f"create or replace table {model['name']} as select {columns} from (\n{text}\n) as model"
    connection.execute(statement, bound or None)
    # One day only is built here: the latest snapshot is all there is.
    connection.execute(f"create or replace view {model['name']}_latest as select * from {model['name']}")


def typed(kind, text):
    readers = {
        "int": int,
        "decimal": decimal.Decimal,
        "double": float,
        "string": str,
        "bool": lambda written: written == "True",
        "date": datetime.date.fromisoformat,
        "timestamp": datetime.datetime.fromisoformat,
    }
    return readers[kind](text)


# The comparison, in a process of its own.


def compare_tables(asked, answered):
    import duckdb

    asked = json.loads(pathlib.Path(asked).read_text())
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute("create schema theirs")
    connection.execute(pathlib.Path(asked["views"]).read_text())
    found = {"tables": 0, "rows": 0, "columns": 0, "sums": 0, "findings": [], "decided": []}
    rejected = connection.execute("select count(*) from rejected_rows").fetchone()[0]
    if rejected:
        why = "Goodwill left rows of the sources out and DuckDB did not: the inputs are not the same"
        found["findings"].append(["rejected_rows", "", str(rejected), "", why])
    for model in asked["job"]["models"]:
        if model["published"] and model["text"]:
            file = str(pathlib.Path(asked["folder"]) / f"{model['name']}.parquet")
            compare_table(connection, model, file, found)
        elif model["published"]:
            found["findings"].append([model["name"], "", "published", "not computed", model["refusal"]])
    pathlib.Path(answered).write_text(json.dumps(found, indent=1))


def compare_table(connection, model, file, found):
    name, grain = model["name"], model["grain"]
    asked = lambda query: connection.execute(query).fetchall()
    ours_has = [row[0] for row in asked(f"describe select * from {name}")]
    columns = [column for column, _ in model["columns"]]
    if ours_has != columns:
        found["findings"].append([name, "", ", ".join(ours_has), ", ".join(columns), "columns"])
        return
    cast = ", ".join(f"cast({quoted(column)} as {kind}) as {quoted(column)}" for column, kind in model["columns"])
    connection.execute(f"create or replace temp table ours as select {cast} from main.{name}")
    connection.execute(f"create or replace temp table theirs_rows as select {cast} from read_parquet({literal(file)})")
    counts = asked("select (select count(*) from ours), (select count(*) from theirs_rows)")[0]
    found["tables"] += 1
    found["rows"] += counts[0]
    if counts[0] != counts[1]:
        found["findings"].append([name, "", str(counts[0]), str(counts[1]), "rows"])
    same_key = " and ".join(f"o.{quoted(key)} = t.{quoted(key)}" for key in grain)
    for left, right, who in [("ours", "theirs_rows", 0), ("theirs_rows", "ours", 1)]:
        only = asked(f"select count(*) from {left} as o anti join {right} as t on {same_key}")[0][0]
        if only:
            shown = [str(only), ""] if who == 0 else ["", str(only)]
            found["findings"].append([name, ", ".join(grain), *shown, "keys only there"])
    for column, kind in model["columns"]:
        compare_column(asked, name, column, kind, same_key, found)


def compare_column(asked, name, column, kind, same_key, found):
    ours, theirs = f"o.{quoted(column)}", f"t.{quoted(column)}"
    differs = f"{ours} is distinct from {theirs}"
    is_double = kind == "double"
    if is_double:
        near = f"abs({ours} - {theirs}) <= {RELATIVE_TOLERANCE} * greatest(abs({ours}), abs({theirs}))"
        differs = f"{differs} and not coalesce({near}, false)"
    pairs = f"from ours as o inner join theirs_rows as t on {same_key}"
    found["columns"] += 1
    rows = asked(f"select count(*) {pairs} where {differs}")[0][0]
    sums_differ, sums = False, ["", ""]
    if is_double or kind.split("(")[0] in ("smallint", "integer", "bigint", "decimal"):
        found["sums"] += 1
        # Kahan's sum of doubles: rows come in no order that both files share.
        total = f"{'fsum' if is_double else 'sum'}({quoted(column)})"
        sums = [asked(f"select {total} from {table}")[0][0] for table in ("ours", "theirs_rows")]
        sums_differ = not close(*sums) if is_double else sums[0] != sums[1]
    if rows or sums_differ:
        what = f"{rows} rows" + (f", largest by {largest(asked, ours, theirs, pairs)}" if sums != ["", ""] else "")
        example = asked(f"select {ours}, {theirs} {pairs} where {differs} order by all limit 1")
        what += f"; for example {example[0][0]} and {example[0][1]}" if example else ""
        decided = decide(asked, name, column, f"{pairs} where {differs}")
        kept = found["decided"] if decided and decided["Goodwill"] == rows else found["findings"]
        if decided:
            what += f"; the quotient in integers is Goodwill's in {decided['Goodwill']}, DuckDB's in {decided['DuckDB']}"
        kept.append([name, column, f"Σ {sums[0]}", f"Σ {sums[1]}", what])


def decide(asked, name, column, rows):
    """How often each program has the quotient rounded half away from zero, computed without any rounding before."""
    if (name, column) not in QUOTIENTS:
        return None
    dividend, divisor, digits = QUOTIENTS[name, column]
    right = {"Goodwill": 0, "DuckDB": 0}
    for above, below, ours, theirs in asked(
        f"select o.{quoted(dividend)}, o.{quoted(divisor)}, o.{quoted(column)}, t.{quoted(column)} {rows}"
    ):
        exact = fractions.Fraction(above) / fractions.Fraction(below)
        scaled = abs(exact) * 10**digits
        units = int(scaled + fractions.Fraction(1, 2)) * (-1 if exact < 0 else 1)
        quotient = decimal.Decimal(units).scaleb(-digits)
        right["Goodwill"] += ours == quotient
        right["DuckDB"] += theirs == quotient
    return right


def largest(asked, ours, theirs, pairs):
    return asked(f"select max(abs({ours} - {theirs})) {pairs}")[0][0]


def close(left, right):
    if left is None or right is None:
        return left is right
    return abs(left - right) <= RELATIVE_TOLERANCE * max(abs(left), abs(right))


PARTS = {"run": run_models, "compare": compare_tables}

if __name__ == "__main__":
    sys.exit(main())
