#!/usr/bin/env python3
"""Opens every published table with five readers and compares what they see with the commit and the receipt.

    python3 tests/readers/check.py ROOT

ROOT is a published folder. Each table of its last commit is read
  - with DuckDB, through ROOT/views/duckdb.sql,
  - with DuckDB's delta extension,
  - with Polars, the files the commit names and the Delta table,
  - with deltalake,
  - with pyarrow, the files the commit names.
Names, types, rows, and sum, minimum, maximum and nulls of every column must be the same for all of them.
The files must have the size, the rows and the SHA-256 the commit says, statistics must be true and must not
show personal data, and the receipt of the run that built a table must say the same.

Exit code: 0 all agree, 1 something does not, 2 there is nothing to check.
"""

import decimal
import hashlib
import json
import math
import os
import pathlib
import sys

import deltalake
import duckdb
import duckdb_extension_delta
import polars
import pyarrow
import pyarrow.compute
import pyarrow.dataset
import pyarrow.parquet

TYPES = {
    "smallint": pyarrow.int16(),
    "integer": pyarrow.int32(),
    "bigint": pyarrow.int64(),
    "varchar": pyarrow.string(),
    "boolean": pyarrow.bool_(),
    "date": pyarrow.date32(),
    "timestamp": pyarrow.timestamp("us", tz="UTC"),
    "double": pyarrow.float64(),
}


class Published:
    """A published root: its commits, receipts and files."""

    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()
        names = sorted((self.root / "_goodwill/commits").glob("*.json"))
        self.commits = {commit["version"]: commit for commit in map(load, names)}
        if sorted(self.commits) != list(range(1, len(names) + 1)):
            raise SystemExit(f"{self.root}: commits have a gap: {[name.name for name in names]}")

    @property
    def last(self):
        """The last commit, or None."""
        return self.commits.get(len(self.commits))

    def folder(self, table):
        """The folder of a table's Delta table."""
        return self.root / "tables" / table

    def files(self, table):
        """The paths of a table's files in the last commit."""
        return [str(self.folder(table) / file["path"]) for file in entries(self.last["tables"][table])]

    def receipt(self, version):
        """The receipt of the run that made a commit."""
        return load(self.root / "_goodwill/runs" / self.commits[version]["run_id"] / "receipt.json")


def load(path):
    """Reads one JSON document."""
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def entries(table):
    """All files of a table of a commit."""
    return [file for part in table["parts"] for file in part["files"]]


class DuckDB:
    """DuckDB with its delta extension and the views of a published root."""

    def __init__(self, published):
        self.published = published
        self.connection = duckdb.connect(config={"allow_unsigned_extensions": "true", "autoinstall_known_extensions": "false"})
        folder = pathlib.Path(duckdb_extension_delta.__file__).parent / "extensions" / f"v{duckdb.__version__}"
        self.connection.load_extension(str(folder / "delta.duckdb_extension"))
        self.connection.execute("set timezone = 'UTC'")
        self.connection.execute((published.root / "views/duckdb.sql").read_text(encoding="utf-8"))

    def views(self):
        """The names of the views that views/duckdb.sql made."""
        rows = self.connection.execute("select view_name from duckdb_views() where not internal").fetchall()
        return {name for (name,) in rows}

    def view(self, table):
        """A table through its view."""
        return self.connection.execute(f'select * from "{table}"').to_arrow_table()

    def delta(self, table):
        """A table through its Delta log."""
        folder = str(self.published.folder(table))
        return self.connection.execute("select * from delta_scan(?)", [folder]).to_arrow_table()


def readers(published):
    """Returns every reader by name: a function from a table's name to its rows as an Arrow table."""
    database = DuckDB(published)

    def delta_table(table):
        return deltalake.DeltaTable(str(published.folder(table)))

    return database, {
        "pyarrow": lambda table: pyarrow.dataset.dataset(published.files(table), format="parquet").to_table(),
        "duckdb view": database.view,
        "duckdb delta": database.delta,
        "polars files": lambda table: polars.scan_parquet(published.files(table)).collect().to_arrow(),
        "polars delta": lambda table: polars.read_delta(str(published.folder(table))).to_arrow(),
        "deltalake": lambda table: delta_table(table).to_pyarrow_table(),
    }


def plain(data_type):
    """Returns a type without what differs between readers only in how they keep it in memory."""
    if pyarrow.types.is_large_string(data_type) or pyarrow.types.is_string_view(data_type):
        return pyarrow.string()
    if pyarrow.types.is_timestamp(data_type) and data_type.tz in ("UTC", "Etc/UTC", "+00:00"):
        return pyarrow.timestamp(data_type.unit, tz="UTC")
    return data_type


def expected_type(name):
    """Returns the Arrow type of a contract's type name."""
    if name.startswith("decimal("):
        precision, scale = name[len("decimal(") : -1].split(",")
        return pyarrow.decimal128(int(precision), int(scale))
    return TYPES[name]


def total(column):
    """Returns the exact sum of a column: of numbers themselves, of days, microseconds, bytes of text, trues."""
    kind = column.type
    if pyarrow.types.is_floating(kind):
        return math.fsum(column.drop_null().to_pylist())
    if pyarrow.types.is_decimal(kind):
        column = column.cast(pyarrow.decimal256(76, kind.scale))
    else:
        if pyarrow.types.is_string(kind):
            column = pyarrow.compute.binary_length(column)
        elif pyarrow.types.is_date32(kind):
            column = column.cast(pyarrow.int32())
        elif pyarrow.types.is_timestamp(kind):
            column = column.cast(pyarrow.int64())
        column = column.cast(pyarrow.int64()).cast(pyarrow.decimal256(76, 0))
    return pyarrow.compute.sum(column).as_py() or decimal.Decimal(0)


def described(column):
    """Returns sum, minimum, maximum and count of nulls of one column."""
    extremes = pyarrow.compute.min_max(column)
    return {
        "nulls": column.null_count,
        "sum": total(column),
        "min": extremes["min"].as_py(),
        "max": extremes["max"].as_py(),
    }


def seen(rows):
    """Returns what one reader sees of a table, in a form that can be compared."""
    columns = {}
    for field, column in zip(rows.schema, rows.columns):
        kind = plain(field.type)
        columns[field.name] = {"type": kind, **described(column.cast(kind))}
    return {"rows": rows.num_rows, "columns": columns}


def shown(column, key, value):
    """Returns a value for a message; of personal data only that it differs."""
    return "(personal data)" if column["pii"] and key in ("min", "max") else repr(value)


def differences(contract, first_name, first, name, found):
    """Yields how what one reader sees differs from what the first sees."""
    if found["rows"] != first["rows"]:
        yield f"{name} sees {found['rows']} rows, {first_name} {first['rows']}"
    if list(found["columns"]) != list(first["columns"]):
        yield f"{name} sees the columns {list(found['columns'])}, {first_name} {list(first['columns'])}"
        return
    for column in contract["columns"]:
        here, there = found["columns"][column["name"]], first["columns"][column["name"]]
        for key in here:
            if here[key] != there[key]:
                values = shown(column, key, here[key]), shown(column, key, there[key])
                yield f"{name} sees {key} {values[0]} in `{column['name']}`, {first_name} {values[1]}"


def contract_problems(contract, found):
    """Yields where the files do not keep what the contract in the commit promises."""
    names = [column["name"] for column in contract["columns"]]
    if list(found["columns"]) != names:
        yield f"the files have the columns {list(found['columns'])}, the contract {names}"
        return
    for column in contract["columns"]:
        here = found["columns"][column["name"]]
        if here["type"] != expected_type(column["type"]):
            yield f"`{column['name']}` is {here['type']}, the contract says {column['type']}"
        if here["nulls"] and not column["nullable"]:
            yield f"`{column['name']}` has {here['nulls']} nulls, the contract allows none"


def extreme(text, kind):
    """Reads an extreme as the commit writes it, or returns None if texts of this type may be cut."""
    if pyarrow.types.is_decimal(kind) or pyarrow.types.is_integer(kind):
        return decimal.Decimal(text)
    if pyarrow.types.is_date32(kind):
        return text
    return None


def statistics_problems(contract, file, rows):
    """Yields where the commit's statistics of a file are not true or tell too much."""
    for column in contract["columns"]:
        stated = file["columns"].get(column["name"])
        if stated is None:
            continue
        name = column["name"]
        if column["pii"] and ("min" in stated or "max" in stated):
            yield f"{file['path']}: extremes of `{name}` are stated, though it is personal data"
        values = rows.column(name).cast(plain(rows.schema.field(name).type))
        if stated["null_count"] != values.null_count:
            yield f"{file['path']}: `{name}` has {values.null_count} nulls, the commit says {stated['null_count']}"
        found = described(values)
        for side in ("min", "max"):
            text = extreme(stated[side], values.type) if side in stated else None
            actual = found[side] if text is None else (
                str(found[side]) if isinstance(text, str) else decimal.Decimal(found[side])
            )
            if text is not None and text != actual:
                yield f"{file['path']}: {side} of `{name}` is {actual}, the commit says {text}"


def file_problems(published, table, entry):
    """Yields where the files are not what the commit says of them."""
    for part in entry["parts"]:
        if part["rows"] != sum(file["rows"] for file in part["files"]):
            yield f"a part has {part['rows']} rows, its files {sum(file['rows'] for file in part['files'])}"
        for file in part["files"]:
            path = published.folder(table) / file["path"]
            content = path.read_bytes()
            if len(content) != file["bytes"]:
                yield f"{file['path']} has {len(content)} bytes, the commit says {file['bytes']}"
            if hashlib.sha256(content).hexdigest() != file["sha256"]:
                yield f"{file['path']} has another SHA-256 than the commit says"
            try:
                rows = pyarrow.parquet.read_table(pyarrow.BufferReader(content))
            except (pyarrow.ArrowException, OSError) as cause:
                yield f"{file['path']} cannot be read: {cause}"
                continue
            if rows.num_rows != file["rows"]:
                yield f"{file['path']} has {rows.num_rows} rows, the commit says {file['rows']}"
            yield from statistics_problems(entry["contract"], file, rows)


def delta_problems(published, table, entry):
    """Yields where the Delta log is not at the version and the files of the commit."""
    log = deltalake.DeltaTable(str(published.folder(table)))
    if log.version() != entry["delta"]["version"]:
        yield f"its Delta log is at version {log.version()}, the commit says {entry['delta']['version']}"
    in_log = {os.path.realpath(path.removeprefix("file://")) for path in log.file_uris()}
    in_commit = {os.path.realpath(path) for path in published.files(table)}
    if in_log != in_commit:
        yield f"its Delta log names other files than the commit: {sorted(in_log ^ in_commit)}"


def receipt_problems(published, table, entry):
    """Yields where the receipt of the run that built a table says otherwise than the commit."""
    receipt = published.receipt(entry["built_in"])
    steps = [step for step in receipt["steps"] if step["model"] == table and step["kind"] == "publish"]
    if len(steps) != 1:
        yield f"the receipt of {receipt['run_id']} has {len(steps)} published steps for it"
        return
    built = [part for part in entry["parts"] if part["attempt"] == receipt["attempt"]]
    files = [file for part in built for file in part["files"]]
    stated = {
        "rows": sum(file["rows"] for file in files),
        "bytes": sum(file["bytes"] for file in files),
        "files": len(files),
        "fingerprint": built[0]["fingerprint"] if len(built) == 1 else entry["fingerprint"],
    }
    for key, value in stated.items():
        if steps[0][key] != value:
            yield f"the receipt of {receipt['run_id']} says {key} {steps[0][key]}, the commit {value}"


def table_problems(published, ways, table, entry):
    """Returns everything that does not agree about one table, and what the first reader sees."""
    contract = entry["contract"]
    problems = []
    views = {}
    for name, read in ways.items():
        try:
            views[name] = seen(read(table))
        except Exception as cause:  # whatever a reader throws is its answer
            problems.append(f"{name} cannot read it: {type(cause).__name__}: {cause}")
    names = list(views)
    for name in names[1:]:
        problems += differences(contract, names[0], views[names[0]], name, views[name])
    first = views[names[0]] if names else None
    if first:
        problems += contract_problems(contract, first)
        stated = sum(part["rows"] for part in entry["parts"])
        if first["rows"] != stated:
            problems.append(f"{names[0]} sees {first['rows']} rows, the commit says {stated}")
    problems += file_problems(published, table, entry)
    problems += delta_problems(published, table, entry)
    problems += receipt_problems(published, table, entry)
    return problems, first


def last_snapshot(entry):
    """The part of a table that holds the snapshot of its latest day, if it keeps snapshots."""
    snapshots = [part for part in entry["parts"] if part["slice"]["kind"] == "snapshot"]
    return max(snapshots, key=lambda part: part["slice"]["as_of"], default=None)


def latest_problems(database, table, part):
    """What the view of the latest snapshot gives that it should not: those rows of the table, and all of them."""
    name = f"{table}_latest"
    rows, days = database.connection.execute(f'select count(*), count(distinct as_of) from "{name}"').fetchone()
    of_the_day = f'select count(*) from "{table}" where as_of = (select max(as_of) from "{table}")'
    expected = database.connection.execute(of_the_day).fetchone()[0] if part["rows"] else 0
    problems = []
    if (rows, rows) != (part["rows"], expected):
        problems.append(f"{name}: {rows} rows, the commit says {part['rows']}, {table} has {expected} of the last day")
    if days > 1:
        problems.append(f"{name}: has {days} days")
    return problems


def main(arguments):
    """Checks the root given; returns the exit code."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    published = Published(arguments[0])
    if not published.last or not published.last["tables"]:
        print(f"{published.root}: nothing is published here", file=sys.stderr)
        return 2
    database, ways = readers(published)
    tables = published.last["tables"]
    found = []
    latest = {f"{table}_latest": last_snapshot(entry) for table, entry in tables.items() if last_snapshot(entry)}
    expected = set(tables) | set(latest)
    if database.views() != expected:
        found.append(f"views/duckdb.sql: has {sorted(database.views())}, the commit {sorted(expected)}")
    print(f"version {published.last['version']} of {published.root}")
    print(f"{'table':24} {'rows':>10} {'columns':>7} {'files':>5}  {len(ways)} readers, commit, Delta log, receipt")
    for table, entry in sorted(tables.items()):
        problems, first = table_problems(published, ways, table, entry)
        rows = first["rows"] if first else "?"
        columns, files = len(entry["contract"]["columns"]), len(entries(entry))
        print(f"{table:24} {rows:>10} {columns:>7} {files:>5}  {'agree' if not problems else 'DO NOT AGREE'}")
        found += [f"{table}: {problem}" for problem in problems]
        if f"{table}_latest" in latest:
            found += latest_problems(database, table, latest[f"{table}_latest"])
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
