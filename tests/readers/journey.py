#!/usr/bin/env python3
"""Runs the pipeline over the Complete Journey and compares what it publishes with numbers from outside.

    python3 tests/readers/journey.py GOODWILL DATA SCRATCH

GOODWILL is the program, DATA the folder that pipelines/fetch-complete-journey.sh filled, SCRATCH a new folder.
Three roots are published there, and read with DuckDB through their views/duckdb.sql:
  - SCRATCH/shipped: the pipeline as shipped; a second run must find nothing to do. Its lifetime net sales, and what
    each attribution model divides, must be the raw ledger's, which DuckDB adds up from the transactions, and both
    those of tests/reference.
  - SCRATCH/half: the first half of 2017 with days cut in UTC, value measured in net sales and conversions of 75 or
    more, scored once with each of the four tie conventions. All customers and segments of `rfm`, the concentration of
    value and the credit of touches must be those of tests/reference (its README says who computed them).
  - SCRATCH/year: the same over the whole year. The campaigns must be those of tests/reference.

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
# What the reference's credit and credited money may differ by: it prints six decimals.
CREDIT = 1e-6
CREDITED = 1e-4
# The reference's names of models and channels, and ours.
MODELS = {
    "first_touch": "first",
    "last_touch": "last",
    "linear": "linear",
    "position_based": "position",
    "time_decay_hl7d": "time_decay",
    "last_non_coupon": "last_non_direct",
}
CHANNELS = {
    "Campaign A": "Type A",
    "Campaign B": "Type B",
    "Campaign C": "Type C",
    "Coupon": "coupon",
    "(none in window)": "(none)",
}
# A basket of exactly 75.00 without a touch. The reference adds doubles and finds 74.99999999999999, no conversion.
ON_THE_EDGE = (1, decimal.Decimal("75.00"))


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
    divided = rows(
        published(root),
        "select dimension, model, sum(revenue) as sales from attribution_comparison group by dimension, model",
    )
    compared.equal("models and dimensions of attribution_comparison", len(divided), 2 * 8)
    for row in divided:
        what = f"sales that {row['model']} divides by {row['dimension']}"
        compared.equal(what, money(row["sales"]), expected["net_sales"])
    households, sales = expected["households"], expected["net_sales"]
    compared.tell(f"customer_pnl and each attribution model: {households} households, net sales {sales}", before)


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


def channels(compared, root):
    """Compares what each model credits each channel with, and in how many paths a channel is."""
    before = len(compared.differences)
    connection = published(root)
    found = rows(
        connection,
        "select model, touchpoint, sum(conversions) as conversions, sum(revenue) as revenue "
        "from attribution_comparison where dimension = 'channel' and touchpoint_kind <> 'no_conversion' group by all",
    )
    ours = {(row["model"], row["touchpoint"]): row for row in found}
    paths = dict(
        connection.execute(
            "select channel, count(distinct order_id) from conversion_touches group by channel"
        ).fetchall()
    )
    theirs = reference("attribution_complete_journey_2017H1.csv")
    for row in theirs:
        model, channel = MODELS[row["model"]], CHANNELS[row["channel"]]
        what = f"{channel} by the model {model}"
        one = ours.get((model, channel), {"conversions": None, "revenue": None})
        conversions, revenue = decimal.Decimal(row["conversions"]), decimal.Decimal(row["revenue"])
        if channel == "(none)":
            conversions, revenue = conversions + ON_THE_EDGE[0], revenue + ON_THE_EDGE[1]
        compared.near(f"conversions of {what}", one["conversions"] and float(one["conversions"]), conversions, CREDIT)
        compared.near(f"revenue of {what}", one["revenue"] and float(one["revenue"]), revenue, CREDITED)
        compared.equal(f"paths with {channel}", str(paths.get(channel, 0)), row["in_n_conversion_paths"])
    asked = {model for model, _ in ours if model in MODELS.values()}
    compared.equal("models of attribution_comparison", asked, set(MODELS.values()))
    compared.tell(f"attribution by channel: {len(theirs)} credits of {len(MODELS)} models", before)


def credited(connection, where):
    """Touches with their credit by each model of the reference, in order; the reference's channel names."""
    shares = ", ".join(
        f"coalesce(max(c.credit) filter (where c.model = '{ours}'), 0) as {theirs}" for theirs, ours in MODELS.items()
    )
    found = rows(
        connection,
        "select t.order_id as basket_id, t.customer_id as household_id, t.touch_no as pos, t.channel, "
        "strftime(t.touched_at, '%Y-%m-%d %H:%M:%S') as touch_ts, t.age_us / 86400e6 as age_days, "
        f"t.touches as n, {shares} "
        "from conversion_touches as t "
        "left join attribution_credit as c on t.order_id = c.order_id and t.touch_no = c.touch_no "
        f"where {where} "
        "group by t.order_id, t.customer_id, t.touch_no, t.touches, t.channel, t.touched_at, t.age_us "
        "order by t.order_id, t.touch_no",
    )
    names = {ours: theirs for theirs, ours in CHANNELS.items()}
    return [{**row, "channel": names.get(row["channel"], row["channel"])} for row in found]


def touches(compared, root):
    """Compares the credit of single touches: of some one by one, of all households that end on 1 by digest."""
    before = len(compared.differences)
    connection = published(root)
    columns = ("basket_id", "household_id", "pos", "n", "channel", "touch_ts")
    ours = credited(connection, "t.customer_id % 10 = 1")
    lines = "".join(
        ",".join([*(str(row[column]) for column in columns), *(f"{row[model]:.6f}" for model in MODELS)]) + "\n"
        for row in ours
    )
    whole = reference("attribution_complete_journey_2017H1_digest.csv")[0]
    compared.equal("credited touches", str(len(ours)), whole["touches"])
    compared.equal("credited conversions", str(len({row["basket_id"] for row in ours})), whole["conversions"])
    compared.equal("digest of credited touches", hashlib.sha256(lines.encode()).hexdigest(), whole["sha256"])
    found = {(str(row["basket_id"]), str(row["pos"])): row for row in ours}
    some = reference("attribution_complete_journey_2017H1_touches.csv")
    for row in some:
        what = f"touch {row['pos']} of basket {row['basket_id']}"
        one = found.get((row["basket_id"], row["pos"]))
        if one is None:
            compared.equal(what, None, "a touch")
            continue
        for column in columns:
            compared.equal(f"{column} of {what}", str(one[column]), row[column])
        compared.near(f"age of {what}", one["age_days"], row["age_days"], CREDIT)
        for model in MODELS:
            compared.near(f"{model} of {what}", float(one[model]), row[model], CREDIT)
    compared.tell(f"attribution by touch: {whole['touches']} touches by digest, {len(some)} one by one", before)


def campaigns(compared, root):
    """Compares whom campaigns reached, what they cost and what their members bought."""
    before = len(compared.differences)
    found = rows(
        published(root),
        "select b.*, p.responders, p.responses, p.response_rate, p.cost, o.net_sales as promoted_sales, o.gross_margin, "
        "o.coupon_amount, o.reimbursed_coupon_amount, o.roas, o.roi "
        "from campaign_before_after as b "
        "inner join campaign_performance as p on b.campaign_id = p.campaign_id and p.period = 'lifetime' "
        "inner join campaign_promotions as o on b.campaign_id = o.campaign_id "
        "where b.arm = 'treatment'",
    )
    ours = {str(row["campaign_id"]): row for row in found}
    theirs = reference("campaigns_complete_journey_1_14.csv")
    counts = {"members": "targeted", "responders": "redeemers", "responses": "redemptions", "orders": "baskets"}
    counts["days"] = "n_days"
    amounts = {
        "net_sales": "window_sales_targeted",
        "net_sales_before": "pre_sales_targeted",
        "promoted_sales": "window_sales_coupon_products",
        "coupon_amount": "coupon_match_cost",
        "reimbursed_coupon_amount": "coupon_cost_on_coupon_products",
    }
    for row in theirs:
        campaign = row["campaign_id"]
        one = ours.get(campaign, {})
        for column, figure in counts.items():
            compared.equal(f"{column} of campaign {campaign}", str(one.get(column)), row[figure])
        for column, figure in amounts.items():
            compared.equal(f"{column} of campaign {campaign}", money(one.get(column) or 0), money(row[figure]))
        compared.near(f"response rate of campaign {campaign}", one.get("response_rate"), row["redemption_rate"], CREDIT)
        # The reference adds what the retailer gave on coupons; our net sales are without it already.
        given = decimal.Decimal(row["coupon_match_cost"])
        margin = decimal.Decimal(row["margin_coupon_products"])
        compared.equal(
            f"cost of campaign {campaign}", money(one.get("cost") or 0), money(decimal.Decimal(row["cost"]) - given)
        )
        compared.equal(f"margin of campaign {campaign}", one.get("gross_margin"), margin)
        if given == 0:
            compared.near(f"ROI of campaign {campaign}", one.get("roi"), row["roi_coupon_products"], CREDIT)
            compared.near(f"ROAS of campaign {campaign}", one.get("roas"), row["roas_coupon_products"], CREDIT)
    compared.tell(f"campaigns: {len(theirs)}, whom they reached, what was bought, what it returned", before)


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
    asked += ["--vars", "value_measure=net_sales", "--vars", "conversion_minimum_amount=75"]
    for at, convention in enumerate(CONVENTIONS):
        only_rfm = ["-s", "rfm"] if at else []
        goodwill(program, project, [*asked, "--vars", f"rfm_tie_convention={convention}", *only_rfm])
        rfm(compared, root, convention)
    concentration(compared, root)
    channels(compared, root)
    touches(compared, root)
    year = scratch / "year"
    asked = ["run", "-q", "-p", "complete_journey", "--sources", data, "--root", year, "--as-of", "2018-01-01"]
    goodwill(program, project, [*asked, "-s", "campaign_performance campaign_before_after campaign_promotions"])
    campaigns(compared, year)
    for difference in compared.differences[:50]:
        print(difference, file=sys.stderr)
    if len(compared.differences) > 50:
        print(f"and {len(compared.differences) - 50} more differences", file=sys.stderr)
    return 1 if compared.differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
