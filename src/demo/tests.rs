//! Expected values come from `constants` by arithmetic that is shown, or from a named source;
//! "within sampling error" is four standard errors throughout.

#![expect(clippy::disallowed_methods, reason = "the tests look at the files themselves")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    reason = "the numbers of a test are small"
)]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Type};
use parquet::file::metadata::RowGroupMetaData;
use rand::Rng;
use sha2::{Digest, Sha256};

use super::baskets::{Baskets, Line, Shelf, returns};
use super::chunk::{Chunk, Company, chunk};
use super::constants::*;
use super::contacts::Tally;
use super::customers::{Customer, Nature, Natures, Origin};
use super::figures::MEAN_UPLIFT;
use super::generate::{Layout, generate_as};
use super::history::{DAY, History};
use super::profile::Profile;
use super::purchases::{Purchases, day_of, purchase, purchases};
use super::streams::{Entity, float, stream};
use super::table::Side;
use super::write::Draft;
use super::*;

const CUSTOMERS: i64 = 3_000;
const CHUNK: i64 = 500;

pub(super) fn company() -> &'static (Company, Chunk) {
    static MADE: OnceLock<(Company, Chunk)> = OnceLock::new();
    MADE.get_or_init(|| {
        let company = Company::new(&World::default(), CUSTOMERS, CHUNK).unwrap();
        let mut all = Chunk::default();
        for first in (0..CUSTOMERS).step_by(CHUNK as usize) {
            let mut made = chunk(&company, first..first + CHUNK);
            all.customers.append(&mut made.customers);
            all.orders.append(&mut made.orders);
            all.lines.append(&mut made.lines);
            all.returns.append(&mut made.returns);
            all.contacts.members.append(&mut made.contacts.members);
            all.contacts.touches.append(&mut made.contacts.touches);
            all.records.append(&mut made.records);
            all.tallies.resize(made.tallies.len(), Tally::default());
            all.tallies.iter_mut().zip(&made.tallies).for_each(|(sum, it)| sum.add(it));
        }
        (company, all)
    })
}

fn history() -> History {
    History::before(World::default().until).unwrap()
}

/// Asserts that `hits` of `of` independent draws agree with the share planted.
pub(super) fn check_share(what: &str, hits: usize, of: usize, share: f64) {
    let (hits, of) = (hits as f64, of as f64);
    let error = (of * share * (1.0 - share)).sqrt();
    let expected = of * share;
    assert!(of > 0.0 && (hits - expected).abs() <= 4.0 * error, "{what}: {hits} not {expected}");
}

fn small(threads: usize) -> Layout {
    Layout { customers: 300, chunk_customers: 50, part_chunks: 2, threads }
}

fn hashes(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(hashes(&path).into_iter().map(|(below, hash)| (format!("{name}/{below}"), hash)));
        } else {
            found.insert(name, format!("{:x?}", Sha256::digest(fs::read(&path).unwrap())));
        }
    }
    found
}

fn bytes_of(seed: u64, threads: usize) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let world = World { seed, ..World::default() };
    generate_as(&world, &small(threads), folder.path(), &|_| ()).unwrap();
    hashes(folder.path())
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let one = bytes_of(42, 1);
    // Eleven sources and seven truths that do not grow with the customers, and a document of
    // the truth; 300 customers in parts of 100 for 24 sources and two truths.
    assert_eq!(one.len(), 11 + 7 + 1 + 26 * 3);
    assert_eq!(one, bytes_of(42, 2));
    assert_eq!(one, bytes_of(42, 8));
}

#[test]
fn every_stream_is_its_own() {
    let entities =
        [Entity::Products, Entity::Customers, Entity::Natures, Entity::Purchases, Entity::Contacts];
    let keys = entities.iter().flat_map(|it| [(1, *it, 0), (1, *it, 1), (2, *it, 0)]);
    let first = keys.map(|(seed, entity, chunk)| stream(seed, entity, chunk).random::<u64>());
    assert_eq!(first.collect::<BTreeSet<_>>().len(), 3 * entities.len());
    let (mut one, mut same) = (stream(1, Entity::Baskets, 5), stream(1, Entity::Baskets, 5));
    assert_eq!(one.random::<u64>(), same.random::<u64>());
}

#[test]
fn another_seed_makes_another_company_with_the_same_calendar() {
    let (one, other) = (bytes_of(42, 2), bytes_of(43, 2));
    let same = one.iter().filter(|(name, hash)| other.get(*name) == Some(hash));
    let same = same.map(|(name, _)| name.strip_suffix("/part-00000.parquet").unwrap()).collect::<Vec<_>>();
    let expected = [
        "sources/campaigns",
        "sources/market",
        "sources/targets",
        "truth/behaviours",
        "truth/contact_response",
        "truth/satisfaction_drivers",
    ];
    assert_eq!(same, expected);
}

#[test]
fn a_world_stays_what_it_was() {
    // Not from arithmetic: pinned, so that a dependency that changes a distribution is noticed.
    let company = Company::new(&World::default(), 1_000, 1_000).unwrap();
    let made = chunk(&company, 0..1_000);
    let counts = (made.orders.len(), made.lines.len(), made.returns.len());
    assert_eq!(counts, (4_514, 10_078, 536));
    assert_eq!((made.contacts.members.len(), made.contacts.touches.len()), (7_635, 19_823));
}

fn unique<K: Ord>(what: &str, keys: impl Iterator<Item = K>) -> BTreeSet<K> {
    let keys = keys.collect::<Vec<_>>();
    let count = keys.len();
    let found = keys.into_iter().collect::<BTreeSet<_>>();
    assert!(count > 0 && found.len() == count, "{what}: {} keys of {count} rows", found.len());
    found
}

#[test]
fn keys_are_unique_and_foreign_keys_hold() {
    let (company, all) = company();
    let customers = unique("customers", all.customers.iter().map(|it| it.customer_id));
    assert_eq!(customers, (1..=CUSTOMERS).collect());
    let products = unique("products", company.range.products().iter().map(|it| it.product_id));
    let campaigns = unique("campaigns", company.campaigns.iter().map(|it| it.campaign_id));
    let orders = unique("orders", all.orders.iter().map(|it| it.order_id));
    let lines = unique("lines", all.lines.iter().map(|it| (it.order_id, it.line_no)));
    unique("costs", company.range.costs(&company.history).iter().map(|it| (it.product_id, it.valid_from)));
    unique("returns", all.returns.iter().map(|it| it.return_id));
    unique("returned lines", all.returns.iter().map(|it| (it.order_id, it.line_no)));
    unique("touches", all.contacts.touches.iter().map(|it| it.touch_id));
    unique("members", all.contacts.members.iter().map(|it| (it.campaign_id, it.party_id)));
    assert!(all.orders.iter().all(|it| customers.contains(&it.customer_id)));
    assert_eq!(all.lines.iter().map(|it| it.order_id).collect::<BTreeSet<_>>(), orders);
    assert!(all.lines.iter().all(|it| products.contains(&it.product_id)));
    assert!(all.lines.iter().filter_map(|it| it.campaign_id).all(|id| campaigns.contains(&id)));
    assert!(all.returns.iter().all(|it| lines.contains(&(it.order_id, it.line_no))));
    let members = &all.contacts.members;
    assert!(members.iter().all(|it| campaigns.contains(&it.campaign_id) && customers.contains(&it.party_id)));
    let touches = &all.contacts.touches;
    let prospects = all.records.prospects.iter().map(|it| it.party_id).collect::<BTreeSet<_>>();
    let parties = |id: &i64| customers.contains(id) || prospects.contains(id);
    assert!(touches.iter().all(|it| parties(&it.party_id)));
    assert!(touches.iter().filter_map(|it| it.campaign_id).all(|id| campaigns.contains(&id)));
    let parents = company.campaigns.iter().filter_map(|it| it.parent_campaign_id);
    assert_eq!(parents.collect::<BTreeSet<_>>().len(), 3);
    for customer in &all.customers {
        match customer.origin {
            Origin::Referred { referrer_id, .. } => assert!((1..customer.customer_id).contains(&referrer_id)),
            Origin::Campaign { campaign_id, .. } => assert!(campaigns.contains(&campaign_id)),
            Origin::Unknown => {}
        }
    }
}

#[test]
fn nothing_happens_at_or_after_until_or_before_its_cause() {
    let (company, all) = company();
    let span = company.history.start()..company.history.until();
    let arrived = all.customers.iter().map(|it| (it.customer_id, it.created_at)).collect::<BTreeMap<_, _>>();
    let ordered = all.orders.iter().map(|it| (it.order_id, it.ordered_at)).collect::<BTreeMap<_, _>>();
    let launched =
        company.range.products().iter().map(|it| (it.product_id, it.launched_at)).collect::<BTreeMap<_, _>>();
    assert!(arrived.values().all(|at| span.contains(at)));
    assert!(all.orders.iter().all(|it| it.ordered_at > arrived[&it.customer_id] && it.ordered_at < span.end));
    assert!(all.lines.iter().all(|it| launched[&it.product_id] <= ordered[&it.order_id]));
    assert!(all.returns.iter().all(|it| it.returned_at > ordered[&it.order_id] && it.returned_at < span.end));
    assert!(
        all.contacts
            .members
            .iter()
            .all(|it| it.assigned_at >= arrived[&it.party_id] && it.assigned_at < span.end)
    );
    assert!(all.contacts.touches.iter().all(|it| span.contains(&it.touched_at)));
    assert!(launched.values().all(|at| *at < span.end));
    assert!(company.campaigns.iter().all(|it| span.contains(&it.started_at)));
    let costs = company.range.costs(&company.history);
    assert!(costs.iter().all(|it| it.valid_from < span.end));
    let batch = tables::campaigns(&company.campaigns, span.end).unwrap();
    // Not ended: the plan of the last year and campaigns still running on the last day.
    let running = company.campaigns.iter().filter(|it| it.ends_at >= span.end).count();
    assert_eq!(batch.column_by_name("ended_at").unwrap().null_count(), running);
    assert!(running >= 1);
}

#[test]
fn amounts_are_sound() {
    let (_, all) = company();
    let lines = all.lines.iter().map(|it| ((it.order_id, it.line_no), it)).collect::<BTreeMap<_, _>>();
    assert!(all.lines.iter().all(|it| it.quantity >= 1 && it.unit_price >= 1 && it.net() >= 0));
    assert!(all.lines.iter().all(|it| it.discount_amount >= 0 && it.coupon_amount >= 0));
    for back in &all.returns {
        let line = lines[&(back.order_id, back.line_no)];
        assert!((1..=line.quantity).contains(&back.quantity) && (0..=line.net()).contains(&back.amount));
        assert!(back.quantity < line.quantity || back.amount == line.net());
    }
}

#[test]
fn shares_agree_with_the_constants() {
    let (company, all) = company();
    let customers = all.customers.len();
    let count = |is: &dyn Fn(&Customer) -> bool| all.customers.iter().filter(|it| is(it)).count();
    check_share("businesses", count(&|it| it.kind() == "business"), customers, BUSINESS_SHARE);
    check_share("referred", count(&|it| it.origin.incentive().is_some()), customers, REFERRED_SHARE);
    // Arrivals are in even steps, so the opening has its share to within one customer.
    let opened = company.history.start() + OPENING_DAYS * DAY;
    let early = count(&|it| it.created_at < opened) as f64;
    assert!((early - OPENING_SHARE * customers as f64).abs() <= 1.0);
    let buyers = all.orders.iter().map(|it| it.customer_id).collect::<BTreeSet<_>>();
    check_share("never buys", customers - buyers.len(), customers, NEVER_BUYS);
    let discounted = all.lines.iter().filter(|it| it.discount_amount > 0).count();
    check_share("discounts", discounted, all.lines.len(), DISCOUNT_SHARE);
    let named = all.lines.iter().filter(|it| it.campaign_id.is_some()).collect::<Vec<_>>();
    let redeemed = named.iter().filter(|it| it.coupon_amount > 0).count();
    check_share("coupons", redeemed, named.len(), COUPON_SHARE);
    assert!(all.lines.iter().all(|it| it.coupon_amount == 0 || it.campaign_id.is_some()));
    let web = all.orders.iter().filter(|it| it.sales_channel == "web").count();
    check_share("web orders", web, all.orders.len(), 0.46);
}

#[test]
fn holdouts_have_their_share_and_no_touch() {
    let (company, all) = company();
    for programme in PROGRAMMES {
        let ids =
            company.campaigns.iter().filter(|it| it.programme.is_some_and(|is| is.name == programme.name));
        let ids = ids.map(|it| it.campaign_id).collect::<BTreeSet<_>>();
        let members =
            all.contacts.members.iter().filter(|it| ids.contains(&it.campaign_id)).collect::<Vec<_>>();
        match programme.selection {
            Selection::Open => assert_eq!(members.len(), 0),
            Selection::Listed { holdout } => {
                let held = members.iter().filter(|it| it.arm == "holdout").count();
                check_share(programme.name, held, members.len(), holdout);
            }
        }
    }
    let held = all.contacts.members.iter().filter(|it| it.arm == "holdout");
    let held = held.map(|it| (it.campaign_id, it.party_id)).collect::<BTreeSet<_>>();
    let touches = &all.contacts.touches;
    assert!(touches.iter().all(|it| it.campaign_id.is_none_or(|id| !held.contains(&(id, it.party_id)))));
}

#[test]
fn lines_come_back_as_often_as_planted() {
    let (_, all) = company();
    let line = Line { quantity: 3, ..all.lines[0] };
    let mut stream = stream(7, Entity::Returns, 0);
    let draws = 20_000;
    let back = (0..draws).map(|_| returns(0, &[line], i64::MAX, &mut stream).len());
    // One line an order: 0.012 + (1 - 0.012) * 0.045 = 0.05646.
    let share = ORDER_RETURN_SHARE + (1.0 - ORDER_RETURN_SHARE) * LINE_RETURN_SHARE;
    assert!((share - 0.056_46).abs() < 1e-9);
    check_share("returns", back.sum(), draws, share);
}

/// Gauss's series, which converges for `z` below 1.
fn hypergeometric(a: f64, b: f64, c: f64, z: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for n in (0..10_000).map(f64::from) {
        term *= (a + n) * (b + n) / (c + n) / (n + 1.0) * z;
        sum += term;
    }
    sum
}

/// Repeat purchases expected in `time`: Fader, Hardie & Lee (2005), eq. 9.
fn expected_repeats((r, alpha, a, b): (f64, f64, f64, f64), time: f64) -> f64 {
    let series = hypergeometric(r, b, a + b - 1.0, time / (alpha + time));
    (a + b - 1.0) / (a - 1.0) * (1.0 - (alpha / (alpha + time)).powf(r) * series)
}

#[test]
fn the_formula_of_expected_repeats_gives_the_published_numbers() {
    // CDNOW, the authors' spreadsheet: weeks 1, 3, 32 and 78.
    let cdnow = (0.242_594_5, 4.413_602, 0.792_919_9, 2.425_888_1);
    for (weeks, published) in [(1.0, 0.0532), (3.0, 0.1506), (32.0, 1.0437), (78.0, 1.8576)] {
        assert!((expected_repeats(cdnow, weeks) - published).abs() < 5e-4, "{weeks}");
    }
}

#[test]
fn customers_buy_as_bg_nbd_expects() {
    let history = history();
    let natures = Natures::new().unwrap();
    let mut stream = stream(11, Entity::Purchases, 0);
    // Without contacts the rate is the less by what they add: alpha the greater.
    let planted = (RATE_SHAPE, RATE_ALPHA_DAYS * (1.0 + MEAN_UPLIFT), DROPOUT_A, DROPOUT_B);
    for created_day in [0, 700] {
        let customer = Customer { created_at: history.start() + created_day * DAY, ..Customer::default() };
        let (mut repeats, mut first) = (Vec::new(), 0);
        let (mut repeaters, mut left_at_once) = (0, 0);
        for _ in 0..20_000 {
            let profile = Profile::draw(&mut stream);
            let drawn = natures.draw(Assumptions::Held, profile, &mut stream);
            let nature = Nature { buys: true, ..drawn };
            let Purchases { made, left_at } =
                purchases(&customer, &nature, (&history, Assumptions::Held), &mut stream);
            repeaters += usize::from(made.len() > 1);
            left_at_once += usize::from(made.len() == 2 && left_at.is_some());
            first = made[0].ordered_at;
            repeats.push(made.len() as f64 - 1.0);
        }
        let count = repeats.len() as f64;
        let mean = repeats.iter().sum::<f64>() / count;
        let variance = repeats.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let trade = float(history.days()) - history.trade_until(day_of(first));
        let expected = expected_repeats(planted, trade);
        let error = (variance / count).sqrt();
        assert!((mean - expected).abs() <= 4.0 * error, "{created_day}: {mean} not {expected}");
        // The mean of a beta distribution: 0.7 / 4.7 = 0.149 leave after the first repeat.
        check_share("leave at once", left_at_once, repeaters, DROPOUT_A / (DROPOUT_A + DROPOUT_B));
    }
}

#[test]
fn orders_are_worth_what_the_spend_level_says() {
    let (company, _) = company();
    let baskets = Baskets::new().unwrap();
    let mut stream = stream(13, Entity::Baskets, 0);
    let mean = SPEND_P * SPEND_GAMMA / (SPEND_Q - 1.0);
    let profile = Profile { elasticity: 1.3, ..Profile::default() };
    let nature = Nature { buys: true, rate: 1.0, dropout: 0.0, spend_rate: SPEND_P / mean, profile };
    let draws = 4_000;
    let mut total = 0;
    for _ in 0..draws {
        let at = company.history.until() - 1 - stream.random_range(0..DAY);
        let purchase = purchase(at, None, &mut stream);
        let shelf = Shelf { range: &company.range, rules: &company.rules, history: &company.history };
        let lines = baskets.fill(&purchase, &nature, shelf, &mut stream);
        total += lines.iter().map(Line::net).sum::<i64>();
    }
    // What is paid is gamma of shape 5, so its error is 1 / sqrt(5 * 4000) = 0.7 %.
    let ratio = float(total) / f64::from(draws) / mean;
    let error = 1.0 / (SPEND_P * f64::from(draws)).sqrt();
    assert!((ratio - 1.0).abs() <= 4.0 * error, "{ratio}");
}

#[test]
fn busy_days_have_their_weight() {
    let history = history();
    assert!((history.trade_until(history.until()) - float(history.days())).abs() < 1e-6);
    let trade = |day: i64| {
        let start = history.start() + day * DAY;
        history.trade_until(start + DAY) - history.trade_until(start)
    };
    // 2023-01-01 is a Sunday, so day 6 is a Saturday and day 7 the next Sunday.
    assert!((trade(6) / trade(7) - 1.28 / 0.85).abs() < 1e-9);
    // The clock knows no months: the Sundays 2023-12-03 (day 336) and 2023-02-05 (day 35) are alike.
    assert!((trade(336) / trade(35) - 1.0).abs() < 1e-9);
    assert_eq!(history.day_of_trade(float(history.days())), None);
}

#[test]
fn busy_months_are_those_in_which_many_arrive() {
    let history = history();
    let steps = 1_000_000;
    let arrivals = (0..steps).map(|step| history.arrival(f64::from(step) / f64::from(steps)));
    let days = arrivals.map(|at| (at - history.start()).div_euclid(DAY)).collect::<Vec<_>>();
    let on = |from: i64, to: i64| days.iter().filter(|day| (from..to).contains(*day)).count() as f64;
    // December 2023 is days 334 to 365, February 2024 days 396 to 425: 31 days of 2.1 to 29 of 0.6.
    let ratio = on(334, 365) / on(396, 425);
    assert!((ratio - 31.0 * 2.1 / (29.0 * 0.6)).abs() < 0.01, "{ratio}");
    assert!(days.windows(2).all(|pair| pair[0] <= pair[1]));
}

#[test]
fn nobody_buys_twice_on_a_day_but_by_mistake() {
    let (_, all) = company();
    let cancelled = all.records.statuses.iter().filter(|it| it.status == "cancelled").map(|it| it.order_id);
    let cancelled = cancelled.collect::<BTreeSet<_>>();
    // Mistakes of the last two days may not be cancelled yet.
    let end = World::default().until;
    let known = History::before(end).unwrap().until() - 2 * DAY;
    let kept = all.orders.iter().filter(|it| it.ordered_at < known && !cancelled.contains(&it.order_id));
    unique("days", kept.map(|it| (it.customer_id, day_of(it.ordered_at))));
}

#[test]
fn scale_one_has_ten_lines_and_twenty_touches_a_customer() {
    let (_, all) = company();
    let per_customer = |rows: usize| rows as f64 / CUSTOMERS as f64;
    assert!((per_customer(all.lines.len()) - 10.0).abs() < 1.5, "{}", all.lines.len());
    assert!((per_customer(all.contacts.touches.len()) - 20.0).abs() < 2.5, "{}", all.contacts.touches.len());
    let world = World { scale: 1.0, ..World::default() };
    assert_eq!(Layout::of(&world).unwrap().customers, 1_000_000);
}

#[test]
fn a_draft_is_there_whole_or_not_at_all() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("sources");
    let entries = || fs::read_dir(parent.path()).unwrap().count();
    let draft = Draft::begin(&folder, Side::Source).unwrap();
    assert!(matches!(Draft::begin(&folder, Side::Source), Err(DemoError::Busy { .. })));
    drop(draft);
    assert_eq!(entries(), 0);
    // What a kill leaves is swept by the next one.
    let left = parent.path().join(".sources.partial/orders");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("part-00099.parquet"), "half").unwrap();
    let done = Cell::new(0);
    let made = generate_as(&World::default(), &small(2), parent.path(), &|now| done.set(now.customers_done))
        .unwrap();
    assert_eq!((entries(), done.get()), (2, 300));
    assert!(!folder.join("orders/part-00099.parquet").exists() && !folder.join(".lock").exists());
    assert_eq!(made.len(), 35);
    let again = generate(&World::default(), parent.path(), &|_| ());
    assert!(matches!(again, Err(DemoError::NotEmpty { .. })));
}

#[test]
fn files_have_the_published_form_and_the_rows_reported() {
    let folder = tempfile::tempdir().unwrap();
    let made = generate_as(&World::default(), &small(2), folder.path(), &|_| ()).unwrap();
    for (table, summary) in Side::Source.tables().zip(made) {
        assert_eq!(summary.name, table.name());
        let (mut rows, mut bytes) = (0, 0);
        for entry in fs::read_dir(folder.path().join("sources").join(table.name())).unwrap() {
            let file = fs::File::open(entry.unwrap().path()).unwrap();
            bytes += file.metadata().unwrap().len();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            assert_eq!(reader.schema(), &table.schema());
            let metadata = std::sync::Arc::clone(reader.metadata());
            rows += metadata.file_metadata().num_rows();
            for column in metadata.row_groups().iter().flat_map(RowGroupMetaData::columns) {
                assert!(matches!(column.compression(), Compression::ZSTD(_)));
                assert_ne!(column.column_type(), Type::FIXED_LEN_BYTE_ARRAY);
            }
            assert_eq!(
                reader.build().unwrap().map(|batch| batch.unwrap().num_rows() as i64).sum::<i64>(),
                metadata.file_metadata().num_rows()
            );
        }
        assert_eq!((rows, bytes), (summary.rows as i64, summary.bytes), "{}", summary.name);
    }
}

#[test]
fn a_world_that_cannot_be_is_refused() {
    let folder = Path::new("never made");
    let refused =
        |world: World| matches!(generate(&world, folder, &|_| ()), Err(DemoError::Impossible { .. }));
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1_001.0] {
        assert!(refused(World { scale, ..World::default() }), "{scale}");
    }
    assert!(refused(World { until: Date::constant(1974, 12, 31), ..World::default() }));
    assert!(!folder.exists());
}
