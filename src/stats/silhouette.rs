//! Silhouettes: how much closer points are to their own group than to the next.
//!
//! Source: Rousseeuw (1987), "Silhouettes: a graphical aid to the interpretation and validation of cluster
//! analysis", Journal of Computational and Applied Mathematics 20.

use super::clusters::{Points, number, squared_distance};

/// The mean over all points of (b − a) ÷ max(a, b): `a` the mean distance to the others of its group, `b` the
/// least mean distance to the points of another; 0 for a point alone in its group. None with fewer than two
/// groups.
pub(super) fn silhouette(points: &Points, members: &[usize], k: usize) -> Option<f64> {
    if k < 2 {
        return None;
    }
    let mut sizes = vec![0_u64; k];
    for ((_, count), member) in points.iter().zip(members) {
        sizes[*member] += count;
    }
    let mut all = 0.0;
    let mut sums = vec![0.0; k];
    for ((point, count), own) in points.iter().zip(members) {
        sums.fill(0.0);
        for ((other, times), member) in points.iter().zip(members) {
            sums[*member] += squared_distance(point, other).sqrt() * number(times);
        }
        if sizes[*own] == 1 {
            continue;
        }
        let within = sums[*own] / number(sizes[*own] - 1);
        let others = (0..k).filter(|group| group != own && sizes[*group] > 0);
        let next = others.map(|group| sums[group] / number(sizes[group])).fold(f64::INFINITY, f64::min);
        let largest = within.max(next);
        if largest > 0.0 && largest.is_finite() {
            all += (next - within) / largest * number(count);
        }
    }
    Some(all / number(points.total()))
}
