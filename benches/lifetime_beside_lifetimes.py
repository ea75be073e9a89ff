#!/usr/bin/env python3
"""Fits the same customers with Goodwill's SQL and with the Python package lifetimes, and compares.

    python3 -m venv .venv && .venv/bin/pip install duckdb==2.0.1 Lifetimes==0.11.3 setuptools==65.5.0
    .venv/bin/python benches/lifetime_beside_lifetimes.py GOODWILL SCRATCH [CUSTOMERS ...]

GOODWILL is the program, SCRATCH a folder that is not there yet. Customers are drawn from BG/NBD with a
fixed seed: up to two years of whole days. Goodwill reads them from Parquet; its seconds are those of the
whole process (`goodwill run` of one model that is one fit, from an empty root, published), so they hold
its start, the reading and the counting too. lifetimes has them in memory already; its seconds are those
of `fit`, once with a row a customer and once with distinct rows and their counts as `weights`, which its
documentation offers for large data. Markdown goes to stdout. Neither program is told how many processors
to use.
"""

import argparse
import pathlib
import subprocess
import sys
import time
import warnings

MODELS = {"bgnbd": ["r", "alpha", "a", "b"], "pareto_nbd": ["r", "alpha", "s", "beta"]}
PIPELINE = """\
version: 1
name: lifetime
description: One fit.
time_zone: UTC
as_of: 2026-01-01
sources:
  location: ./sources
  tables:
    histories: {path: histories.parquet}
models: [m]
targets:
  dev: {root: ./out}
default_target: dev
publish: [fit]
"""
CONTRACTS = """\
models:
  - name: fit
    description: One fit.
    config: {materialized: table}
    grain: [model]
    columns:
      - {name: model, data_type: varchar, description: The model.}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("goodwill", type=pathlib.Path)
    parser.add_argument("scratch", type=pathlib.Path)
    parser.add_argument("customers", type=int, nargs="*", default=[23_570, 1_000_000])
    arguments = parser.parse_args()
    arguments.scratch.mkdir(parents=True)
    print("| fit | customers | distinct | Goodwill, process s | lifetimes, s | lifetimes with weights, s | parameters differ by at most |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for number in arguments.customers:
        rows = customers(number)
        for model in MODELS:
            ours = by_goodwill(arguments, model, rows)
            weighted = by_lifetimes(model, rows, with_weights=True)
            plain = by_lifetimes(model, rows, with_weights=False)
            pairs = zip(ours["parameters"], weighted["parameters"])
            difference = max(abs(one / other - 1) for one, other in pairs)
            print(
                f"| {model} | {number:,} | {weighted['rows']:,} | {ours['seconds']:.2f} | {plain['seconds']:.2f} | "
                f"{weighted['seconds']:.2f} | {difference:.1e} |",
                flush=True,
            )
            print(f"{model} {number}: {ours['parameters']} {weighted['parameters']}", file=sys.stderr, flush=True)


def customers(number):
    """Repeat orders, first to last and first to end in days, as a data frame."""
    import numpy
    import pandas

    chance = numpy.random.default_rng(1)
    rates = chance.gamma(1.0, 1 / 60, number)
    leaving = chance.beta(1.0, 3.0, number)
    ages = chance.integers(1, 731, number).astype(float)
    frequency, last, at = (numpy.zeros(number) for _ in range(3))
    there = numpy.ones(number, dtype=bool)
    while there.any():
        at[there] += chance.exponential(1 / rates[there])
        there &= at <= ages
        # Orders of one day are one.
        new = there & (numpy.floor(at) > last)
        frequency[new] += 1
        last[new] = numpy.floor(at[new])
        there[there] = chance.random(there.sum()) >= leaving[there]
    return pandas.DataFrame({"frequency": frequency, "recency": last, "age": ages})


def by_goodwill(arguments, model, rows):
    import duckdb

    folder = arguments.scratch / f"{model}_{len(rows)}"
    for below in ["pipelines", "sql/m", "sources"]:
        (folder / below).mkdir(parents=True)
    (folder / "pipelines/lifetime.yml").write_text(PIPELINE)
    numbers = MODELS[model]
    columns = "".join(f"      - {{name: {name}, data_type: double, description: Of the fit.}}\n" for name in numbers)
    (folder / "sql/m/m.yml").write_text(CONTRACTS + columns)
    fields = ", ".join(f"fit['{name}'] as {name}" for name in numbers)
    (folder / "sql/m/fit.sql").write_text(
        f"with fits as (select {model}_fit(frequency, recency, age, 'day') as fit from sources.histories)\n"
        f"select fit['model'] as model, {fields} from fits\n"
    )
    duckdb.connect().execute(f"copy (select * from rows) to '{folder}/sources/histories.parquet' (format parquet)")
    began = time.monotonic()
    subprocess.run([arguments.goodwill.resolve(), "run", "-q"], cwd=folder, check=True)
    seconds = time.monotonic() - began
    query = f"select {', '.join(numbers)} from read_parquet('{folder}/out/tables/fit/**/*.parquet')"
    found = duckdb.connect().execute(query).fetchone()
    return {"seconds": seconds, "parameters": found}


def by_lifetimes(model, rows, with_weights):
    import lifetimes

    warnings.filterwarnings("ignore")
    weights = None
    if with_weights:
        rows = rows.groupby(["frequency", "recency", "age"]).size().reset_index(name="weight")
        weights = rows["weight"]
    fitter = lifetimes.BetaGeoFitter() if model == "bgnbd" else lifetimes.ParetoNBDFitter()
    began = time.monotonic()
    fitter.fit(rows["frequency"], rows["recency"], rows["age"], weights=weights)
    seconds = time.monotonic() - began
    return {"seconds": seconds, "rows": len(rows), "parameters": tuple(fitter.params_)}


if __name__ == "__main__":
    main()
