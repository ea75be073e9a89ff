#!/usr/bin/env python3
"""Runs the pipeline over the Complete Journey and compares what it publishes with numbers from outside.

    python3 tests/readers/journey.py GOODWILL DATA SCRATCH

GOODWILL is the program, DATA the folder that pipelines/fetch-complete-journey.sh filled, SCRATCH a new folder.
Two roots are published there, and read with DuckDB through their views/duckdb.sql:
  - SCRATCH/shipped: the pipeline as shipped; a second run must find nothing to do. Its lifetime net sales must be
    the raw ledger's, which DuckDB adds up from the transactions, and both those of tests/reference.
  - SCRATCH/half: the first half of 2017 with days cut in UTC and value measured in net sales, scored once with each
    of the four tie conventions. All customers and segments of `rfm`, and the concentration of value, must be those of
    tests/reference (its README says who computed them).

Exit code: 0 all agree, 1 something does not, 2 it cannot be asked.
"""

import csv
import decimal
import hashlib
import pathlib
import shutil
import subprocess
import sys

import duckdb

PACKAGE = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = PACKAGE / "tests/reference"
CONVENTIONS = ("ntile", "cume", "prank", "edges")
AS_OF = "2017-07-01"
# What the doubles of the reference and of ours may differ by; counts and money are compared exactly.
SHARE = 1e-9
MEAN = 1e-6


class Comparison:
    """What was compared, and everything that differs."""

    def __init__(self):
        self.differences = []

    def equal(self, what, found, expected):
        """Notes a difference unless both are the same."""
        if found != expected:
            self.differences.append(f"{what}: {found}, not {expected}")

    def near(self, what, found, expected, tolerance):
        """Notes a difference unless both numbers are as near as they must be; a missing number is near to none."""
        if found is None or not abs(found - float(expected)) <= tolerance:
            self.differences.append(f"{what}: {found}, not {expected}")

    def tell(self, subject, before):
        """Prints one line on a subject; `before` is how many differences there were when it began."""
        verdict = "agree" if len(self.differences) == before else "DO NOT AGREE"
        print(f"{subject:78} {verdict}", flush=True)


def reference(name):
    """The rows of a file of tests/reference, by the names in its first line."""
    with (REFERENCE / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def figures(name):
    """The figures of a file of tests/reference that has one a line."""
    return {row["figure"]: row["value"] for row in reference(name)}


def money(value):
    """An amount with its two decimals, exactly; the reference writes -0.00 where sums of doubles cancel."""
    return f"{decimal.Decimal(value) + 0:.2f}".replace("-0.00", "0.00")


def goodwill(program, folder, arguments, code=0):
    """Runs the program in a project's folder, or ends the check with all it said."""
    command = [str(program), *map(str, arguments)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode != code:
        raise SystemExit(f"{' '.join(command)}: exit code {ran.returncode}, not {code}\n{ran.stdout}{ran.stderr}")


def published(root):
    """A connection that sees the tables of a published root."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute((root / "views/duckdb.sql").read_text(encoding="utf-8"))
    return connection


def rows(connection, query):
    """The rows of a query, each by its columns' names."""
    answer = connection.execute(query)
    names = [column[0] for column in answer.description]
    return [dict(zip(names, row)) for row in answer.fetchall()]


def ledger(compared, program, data, root):
    """Publishes with the shipped pipeline and compares all net sales with the raw ledger."""
    arguments = ["run", "-q", "-p", "complete_journey", "--sources", data, "--root", root]
    goodwill(program, PACKAGE, arguments)
    goodwill(program, PACKAGE, [*arguments, "--skip-exit-code"], code=99)
    before = len(compared.differences)
    expected = figures("ledger_complete_journey_2017.csv")
    raw = rows(
        duckdb.connect(),
        "select count(*) as transactions, count(distinct household_id) as households, "
        f"sum(cast(sales_value as decimal(18, 2))) as sales from '{data / 'transactions.parquet'}'",
    )[0]
    ours = rows(
        published(root),
        "select count(*) as households, count(distinct customer_id) as customers, sum(net_sales) as sales "
        "from customer_pnl where period = 'lifetime'",
    )[0]
    compared.equal("transactions of the raw ledger", str(raw["transactions"]), expected["transactions"])
    compared.equal("households of the raw ledger", str(raw["households"]), expected["households"])
    compared.equal("sales of the raw ledger", money(raw["sales"]), expected["net_sales"])
    compared.equal("rows of customer_pnl", str(ours["households"]), expected["households"])
    compared.equal("customers of customer_pnl", str(ours["customers"]), expected["households"])
    compared.equal("net sales of customer_pnl", money(ours["sales"]), expected["net_sales"])
    households, sales = expected["households"], expected["net_sales"]
    compared.tell(f"customer_pnl, lifetime: {households} households, net sales {sales}", before)


def half_year(scratch):
    """Makes the project of the reference: the shipped one, with days cut in UTC."""
    project = scratch / "project"
    for name in ("sql", "pipelines"):
        shutil.copytree(PACKAGE / name, project / name)
    pipeline = project / "pipelines/complete_journey.yml"
    text = pipeline.read_text(encoding="utf-8")
    shipped = "time_zone: America/New_York\n"
    if text.count(shipped) != 1:
        raise SystemExit(f"{pipeline} has no line `{shipped.strip()}`")
    pipeline.write_text(text.replace(shipped, "time_zone: UTC\n"), encoding="utf-8")
    return project


def rfm_line(row, cell, segment):
    """A customer's figures as the digests of the reference have them."""
    amounts = money(row["monetary"]), money(row["monetary_gross"])
    counts = row["customer_id"], row["days_since_last_order"], row["frequency"]
    return ",".join([*map(str, counts), *amounts, row[cell], *([row[segment]] if segment else [])])


def rfm(compared, root, convention):
    """Compares every customer and every segment of `rfm`."""
    before = len(compared.differences)
    ours = rows(published(root), "select * from rfm order by customer_id")
    told = {(str(row["as_of"]), row["tie_convention"]) for row in ours}
    compared.equal(f"as_of and convention of rfm ({convention})", told, {(AS_OF, convention)})

    whole = {row["convention"]: row for row in reference("rfm_complete_journey_2017H1_digests.csv")}[convention]
    compared.equal(f"customers of rfm ({convention})", str(len(ours)), whole["customers"])
    lines = "".join(rfm_line(row, "rfm_cell", "segment") + "\n" for row in ours)
    digest = hashlib.sha256(lines.encode()).hexdigest()
    compared.equal(f"digest of all customers of rfm ({convention})", digest, whole["sha256"])

    found = {str(row["customer_id"]): rfm_line(row, "rfm_cell", None) for row in ours}
    some = reference("rfm_complete_journey_2017H1_customers.csv")
    for row in some:
        customer = row["customer_id"]
        compared.equal(f"customer {customer} of rfm ({convention})", found.get(customer), rfm_line(row, convention, None))

    segments = segments_of(compared, ours, convention)
    subject = f"rfm, {convention}: {whole['customers']} customers by digest, {len(some)} one by one, {segments} segments"
    compared.tell(subject, before)


def segments_of(compared, ours, convention):
    """Compares the segments of `rfm`; returns how many there are."""
    found = {}
    for row in ours:
        found.setdefault(row["segment"], []).append(row)
    theirs = [row for row in reference("rfm_complete_journey_2017H1_segments.csv") if row["convention"] == convention]
    compared.equal(f"segments of rfm ({convention})", sorted(found), sorted(row["segment"] for row in theirs))
    for row in theirs:
        of_segment = found.get(row["segment"], [])
        what = f"segment {row['segment']} of rfm ({convention})"
        compared.equal(f"customers of {what}", str(len(of_segment)), row["customers"])
        compared.equal(f"money of {what}", money(sum(one["monetary"] for one in of_segment)), money(row["monetary"]))
        for column, figure in (("days_since_last_order", "recency_mean"), ("frequency", "frequency_mean")):
            mean = sum(one[column] for one in of_segment) / len(of_segment) if of_segment else None
            compared.near(f"{figure} of {what}", mean, row[figure], MEAN)
    return len(theirs)


def concentration(compared, root):
    """Compares who brings how much of net sales."""
    before = len(compared.differences)
    expected = figures("concentration_complete_journey_2017H1.csv")
    left = dict(expected)
    connection = published(root)
    ours = rows(connection, "select * from value_concentration order by percentile")
    compared.equal("percentiles of value_concentration", [row["percentile"] for row in ours], list(range(1, 101)))
    for row in ours:
        percentile = row["percentile"]
        for column, figure in (("customers", "customers"), ("costly_customers", "costly_customers")):
            compared.equal(f"{column} at {percentile} %", str(row[column]), expected[figure])
        compared.equal(f"total_value at {percentile} %", money(row["total_value"]), expected["net_sales"])
        for column in ("gini", "gini_raw"):
            compared.near(f"{column} at {percentile} %", row[column], expected[column], SHARE)
        for column in ("top_sales_share", "lorenz_share"):
            share = left.pop(f"{column}_{percentile}", None)
            if share is not None:
                compared.near(f"{column} at {percentile} %", row[column], share, SHARE)
    sums = rows(
        connection,
        "select sum(monetary) as net_sales, sum(monetary_gross) as invoiced_sales, sum(returns) as returns from rfm",
    )[0]
    for figure, sum_ in sums.items():
        compared.equal(f"{figure} of rfm", money(sum_), expected[figure])
    classes = "case when tier in ('C', 'D') then 'C_or_D' else tier end"
    tiers = rows(connection, f"select {classes} as tier, count(*) as n, sum(net_sales) as sales from value_tiers group by 1")
    compared.equal("classes of value_tiers", sorted(row["tier"] for row in tiers), ["A", "B", "C_or_D"])
    for row in tiers:
        tier = row["tier"]
        compared.equal(f"customers of tier {tier}", str(row["n"]), left.pop(f"tier_{tier}_customers", None))
        compared.equal(f"net sales of tier {tier}", money(row["sales"]), left.pop(f"tier_{tier}_net_sales", None))
    compared_once = {"customers", "costly_customers", "net_sales", "gini", "gini_raw", *sums}
    compared.equal("figures nothing was compared with", sorted(set(left) - compared_once), [])
    compared.tell(f"concentration of net sales: {len(expected)} figures", before)


def main(arguments):
    """Runs and compares everything; returns the exit code."""
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    program, data, scratch = (pathlib.Path(argument).resolve() for argument in arguments)
    if scratch.exists():
        print(f"{scratch} is there already: name a new folder", file=sys.stderr)
        return 2
    compared = Comparison()
    ledger(compared, program, data, scratch / "shipped")
    project, root = half_year(scratch), scratch / "half"
    asked = ["run", "-q", "-p", "complete_journey", "--sources", data, "--root", root, "--as-of", AS_OF]
    asked += ["--vars", "value_measure=net_sales"]
    for at, convention in enumerate(CONVENTIONS):
        only_rfm = ["-s", "rfm"] if at else []
        goodwill(program, project, [*asked, "--vars", f"rfm_tie_convention={convention}", *only_rfm])
        rfm(compared, root, convention)
    concentration(compared, root)
    for difference in compared.differences[:50]:
        print(difference, file=sys.stderr)
    if len(compared.differences) > 50:
        print(f"and {len(compared.differences) - 50} more differences", file=sys.stderr)
    return 1 if compared.differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
