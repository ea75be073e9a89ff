//! k-means: groups of points that lie close to each other, by Lloyd's algorithm on standardised features.
//!
//! **Invariant:** the same points, numbers of groups and seed give the same bits: points are kept in one
//! order, sums are taken in it, and chance is drawn from the seed alone.
//!
//! Sources: Lloyd (1982), "Least squares quantization in PCM"; starts by Arthur & Vassilvitskii (2007),
//! "k-means++"; the number of groups by Rousseeuw (1987), "Silhouettes".

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::silhouette::silhouette;

/// The most points that starts and numbers of groups are judged by.
const SAMPLE: usize = 5_000;

/// How many starts are tried for each number of groups.
const STARTS: usize = 8;

/// The most rounds of Lloyd's algorithm.
const MOST_ROUNDS: usize = 300;

/// Distinct points with how many there are of each, in the order of their coordinates.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    dimensions: usize,
    coordinates: Vec<f64>,
    counts: Vec<u64>,
}

impl Points {
    /// Takes `points` of `dimensions` coordinates each, all finite, in any order; the same one may come twice.
    #[must_use]
    pub fn new(dimensions: usize, points: impl IntoIterator<Item = (Vec<f64>, u64)>) -> Self {
        let mut points: Vec<(Vec<f64>, u64)> = points.into_iter().filter(|(_, count)| *count > 0).collect();
        points.sort_by(|(one, _), (other, _)| compare(one, other));
        let mut all = Self { dimensions, coordinates: Vec::new(), counts: Vec::new() };
        for (point, count) in points {
            match all.counts.last_mut() {
                Some(last) if all.coordinates.ends_with(&point) => *last += count,
                _ => {
                    all.coordinates.extend(point);
                    all.counts.push(count);
                }
            }
        }
        all
    }

    /// How many distinct points there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How many points there are, the same ones counted each.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn point(&self, at: usize) -> &[f64] {
        &self.coordinates[at * self.dimensions..(at + 1) * self.dimensions]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[f64], u64)> {
        self.counts.iter().enumerate().map(|(at, count)| (self.point(at), *count))
    }

    /// Mean and standard deviation (of the population) of each coordinate.
    fn moments(&self) -> (Vec<f64>, Vec<f64>) {
        let total = number(self.total());
        let mut means = vec![0.0; self.dimensions];
        for (point, count) in self.iter() {
            add(&mut means, point, number(count) / total);
        }
        let mut variances = vec![0.0; self.dimensions];
        for (point, count) in self.iter() {
            for ((variance, mean), value) in variances.iter_mut().zip(&means).zip(point) {
                *variance += (value - mean).powi(2) * number(count) / total;
            }
        }
        (means, variances.into_iter().map(f64::sqrt).collect())
    }

    pub(super) fn standardised(&self, scale: &Scale) -> Self {
        Self::new(self.dimensions, self.iter().map(|(point, count)| (scale.standardised(point), count)))
    }

    /// At most so many points, each standing for as many as the others, spread evenly over the order.
    fn sample(&self, most: usize) -> Self {
        let total = self.total();
        let wanted = u64::try_from(most).unwrap_or(u64::MAX);
        if total <= wanted {
            return self.clone();
        }
        let (mut sample, mut before) = (Vec::new(), 0_u64);
        for (point, count) in self.iter() {
            // Of the places wanted / total apart, those that fall on this point.
            let upto = |place: u64| u128::from(place) * u128::from(wanted) / u128::from(total);
            let taken = u64::try_from(upto(before + count) - upto(before)).unwrap_or(0);
            sample.push((point.to_vec(), taken));
            before += count;
        }
        Self::new(self.dimensions, sample)
    }
}

/// How coordinates are made comparable: each less its mean, by its standard deviation.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// The mean of each coordinate.
    pub means: Vec<f64>,
    /// The standard deviation of each; 0 where all points are alike, which then tells nothing.
    pub deviations: Vec<f64>,
}

impl Scale {
    pub(super) fn of(points: &Points) -> Self {
        let (means, deviations) = points.moments();
        // What rounding leaves of a constant is no variation.
        let is_constant =
            |at: usize| points.iter().all(|(point, _)| point[at].total_cmp(&points.point(0)[at]).is_eq());
        let deviations = deviations.into_iter().enumerate();
        let deviations = deviations.map(|(at, deviation)| if is_constant(at) { 0.0 } else { deviation });
        Self { means, deviations: deviations.collect() }
    }

    pub(super) fn standardised(&self, point: &[f64]) -> Vec<f64> {
        let of_scale = self.means.iter().zip(&self.deviations);
        let scaled =
            point.iter().zip(of_scale).map(
                |(value, (mean, deviation))| {
                    if *deviation > 0.0 { (value - mean) / deviation } else { 0.0 }
                },
            );
        scaled.collect()
    }

    fn restored(&self, point: &[f64]) -> Vec<f64> {
        let of_scale = self.means.iter().zip(&self.deviations);
        point.iter().zip(of_scale).map(|(value, (mean, deviation))| mean + value * deviation).collect()
    }
}

/// A group of points.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// The mean of its points, in their own units.
    pub center: Vec<f64>,
    /// How many points are in it.
    pub size: u64,
}

/// How well a number of groups does, on at most 5,000 points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// How many groups.
    pub k: usize,
    /// The sum of squared distances to the nearest centre, in standard deviations.
    pub inertia: f64,
    /// The mean silhouette, from -1 to 1; none for one group.
    pub silhouette: Option<f64>,
}

/// Groups of points, the largest first; of equal ones the one with the smaller centre.
#[derive(Debug, Clone, PartialEq)]
pub struct Clustering {
    /// The groups; none if there was no point.
    pub clusters: Vec<Cluster>,
    /// How points were made comparable.
    pub scale: Scale,
    /// The sum of squared distances of all points to their centres, in standard deviations.
    pub inertia: f64,
    /// The rounds it took.
    pub rounds: usize,
    /// Whether no point would change its group any more.
    pub converged: bool,
    /// The numbers of groups that were tried, in order.
    pub candidates: Vec<Candidate>,
}

impl Clustering {
    /// Finds groups: of the numbers in `wanted`, the one with the best silhouette, the smaller of equal ones.
    ///
    /// There are never more groups than distinct points. Starts and numbers of groups are judged on at most
    /// 5,000 points, spread evenly over their order; the groups are then of all points.
    #[must_use]
    pub fn find(points: &Points, wanted: &[usize], seed: u64) -> Self {
        let scale = Scale::of(points);
        let standardised = points.standardised(&scale);
        let sample = standardised.sample(SAMPLE);
        let mut wanted: Vec<usize> = wanted.iter().map(|k| (*k).clamp(1, sample.len().max(1))).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut candidates = Vec::new();
        let mut best: Option<(Option<f64>, Vec<Vec<f64>>)> = None;
        for k in wanted.into_iter().filter(|_| !sample.is_empty()) {
            let found = best_start(&sample, k, seed);
            let silhouette = silhouette(&sample, &found.members, k);
            candidates.push(Candidate { k, inertia: found.inertia, silhouette });
            if best.as_ref().is_none_or(|(known, _)| silhouette > *known) {
                best = Some((silhouette, found.centers));
            }
        }
        let found = lloyd(&standardised, best.map(|(_, centers)| centers).unwrap_or_default());
        let mut clusters: Vec<(Vec<f64>, u64)> = found.centers.into_iter().zip(found.sizes).collect();
        clusters.sort_by(|(one, size), (other, other_size)| {
            other_size.cmp(size).then_with(|| compare(one, other))
        });
        let clusters =
            clusters.into_iter().map(|(center, size)| Cluster { center: scale.restored(&center), size });
        Self {
            clusters: clusters.collect(),
            scale,
            inertia: found.inertia,
            rounds: found.rounds,
            converged: found.converged,
            candidates,
        }
    }
}

/// Which of `centers` is nearest to `point`, all in their own units; the first of equally near ones.
#[must_use]
pub fn nearest<'a>(
    point: &[f64],
    centers: impl IntoIterator<Item = &'a [f64]>,
    deviations: &[f64],
) -> Option<usize> {
    let distance = |center: &[f64]| -> f64 {
        let pairs = point.iter().zip(center).zip(deviations).filter(|(_, deviation)| **deviation > 0.0);
        pairs.map(|((value, center), deviation)| ((value - center) / deviation).powi(2)).sum()
    };
    let distances = centers.into_iter().map(distance).enumerate();
    distances.reduce(|best, next| if next.1 < best.1 { next } else { best }).map(|(at, _)| at)
}

/// What Lloyd's algorithm ends with.
pub(super) struct Found {
    pub(super) centers: Vec<Vec<f64>>,
    pub(super) members: Vec<usize>,
    sizes: Vec<u64>,
    pub(super) inertia: f64,
    pub(super) rounds: usize,
    converged: bool,
}

/// The best of several starts, by inertia; the first of equal ones.
fn best_start(points: &Points, k: usize, seed: u64) -> Found {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut best = lloyd(points, starts(points, k, &mut chance));
    for _ in 1..STARTS {
        let next = lloyd(points, starts(points, k, &mut chance));
        if next.inertia < best.inertia {
            best = next;
        }
    }
    best
}

/// k-means++: the first centre is a point by chance, each next one the likelier the farther it is from those
/// before (squared).
fn starts(points: &Points, k: usize, chance: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let mut weights: Vec<f64> = points.counts.iter().map(|count| number(*count)).collect();
    let mut centers: Vec<Vec<f64>> = Vec::new();
    while centers.len() < k {
        let Some(at) = drawn(&weights, chance) else { break };
        let center = points.point(at).to_vec();
        let is_first = centers.is_empty();
        for (weight, (point, count)) in weights.iter_mut().zip(points.iter()) {
            let distance = squared_distance(point, &center) * number(count);
            *weight = if is_first { distance } else { weight.min(distance) };
        }
        centers.push(center);
    }
    centers
}

/// A place, the likelier the greater its weight; none if all weights are 0.
fn drawn(weights: &[f64], chance: &mut ChaCha8Rng) -> Option<usize> {
    let all: f64 = weights.iter().sum();
    let last = weights.iter().rposition(|weight| *weight > 0.0)?;
    let mut left = chance.random::<f64>() * all;
    for (at, weight) in weights.iter().enumerate().take(last) {
        left -= weight;
        if left < 0.0 {
            return Some(at);
        }
    }
    Some(last)
}

/// Gives each point to its nearest centre and moves centres to the mean of their points, until nothing
/// changes. A centre without points moves to the point that is farthest from its own.
pub(super) fn lloyd(points: &Points, mut centers: Vec<Vec<f64>>) -> Found {
    let k = centers.len();
    let mut members = vec![usize::MAX; points.len()];
    let mut distances = vec![0.0; points.len()];
    let (mut rounds, mut converged) = (0, k == 0);
    let mut sizes = vec![0_u64; k];
    while rounds < MOST_ROUNDS && !converged {
        rounds += 1;
        let mut changed = false;
        for (at, (point, _)) in points.iter().enumerate() {
            let (member, distance) = closest(point, &centers);
            changed |= members[at] != member;
            (members[at], distances[at]) = (member, distance);
        }
        changed |= fill_empty(points, &mut members, &mut distances, k);
        converged = !changed;
        if changed {
            (centers, sizes) = means(points, &members, k);
        }
    }
    let inertia = distances.iter().zip(&points.counts).map(|(distance, count)| distance * number(*count));
    Found { centers, inertia: inertia.sum(), members, sizes, rounds, converged }
}

fn closest(point: &[f64], centers: &[Vec<f64>]) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (at, center) in centers.iter().enumerate() {
        let distance = squared_distance(point, center);
        if distance < best.1 {
            best = (at, distance);
        }
    }
    best
}

/// Whether a group without points was given the farthest one.
fn fill_empty(points: &Points, members: &mut [usize], distances: &mut [f64], k: usize) -> bool {
    let mut sizes = vec![0_usize; k];
    for member in &*members {
        sizes[*member] += 1;
    }
    let mut changed = false;
    for empty in (0..k).filter(|group| sizes[*group] == 0).collect::<Vec<_>>() {
        let of_many = (0..points.len()).filter(|at| sizes[members[*at]] > 1);
        let farthest =
            of_many.reduce(|best, next| if distances[next] > distances[best] { next } else { best });
        let Some(at) = farthest else { break };
        sizes[members[at]] -= 1;
        sizes[empty] = 1;
        (members[at], distances[at]) = (empty, 0.0);
        changed = true;
    }
    changed
}

fn means(points: &Points, members: &[usize], k: usize) -> (Vec<Vec<f64>>, Vec<u64>) {
    let mut centers = vec![vec![0.0; points.dimensions]; k];
    let mut sizes = vec![0_u64; k];
    for ((point, count), member) in points.iter().zip(members) {
        add(&mut centers[*member], point, number(count));
        sizes[*member] += count;
    }
    for (center, size) in centers.iter_mut().zip(&sizes) {
        let size = number(*size).max(1.0);
        for value in center {
            *value /= size;
        }
    }
    (centers, sizes)
}

fn add(sum: &mut [f64], point: &[f64], times: f64) {
    for (sum, value) in sum.iter_mut().zip(point) {
        *sum += value * times;
    }
}

pub(super) fn squared_distance(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| (one - other).powi(2)).sum()
}

fn compare(one: &[f64], other: &[f64]) -> std::cmp::Ordering {
    let pairs = one.iter().zip(other).map(|(one, other)| one.total_cmp(other));
    pairs.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
}

#[expect(clippy::cast_precision_loss, reason = "customers are fewer than 2^53")]
pub(super) const fn number(count: u64) -> f64 {
    count as f64
}
