//! k-means against scikit-learn, at the edges, and whatever the order.

use proptest::prelude::*;

use super::clusters::{Clustering, Points, Scale, lloyd, nearest};
use super::silhouette::silhouette;

/// Days since the last order, orders and net sales of each customer (UCI Online Retail II, 2009 to 2010), and
/// the group that scikit-learn 1.9.1 gives: `tests/reference/README.md`.
fn customers() -> Vec<(String, Vec<f64>, usize)> {
    let values = include_str!("../../tests/reference/rfm_uci_or2_2009_2010_customers.csv");
    let groups = include_str!("../../tests/reference/clusters_uci_or2_2009_2010.csv");
    let groups: std::collections::BTreeMap<&str, usize> = groups
        .lines()
        .skip(1)
        .map(|line| line.split_once(',').expect("two columns"))
        .map(|(customer, group)| (customer, group.parse().expect("a number")))
        .collect();
    let rows = values.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let value = |at: usize| cells[at].parse::<f64>().expect("a number").max(0.0).ln_1p();
        (cells[0].to_owned(), vec![value(1), value(2), value(3)], groups[cells[0]])
    });
    rows.collect()
}

fn points_of(customers: &[(String, Vec<f64>, usize)]) -> Points {
    Points::new(3, customers.iter().map(|(_, point, _)| (point.clone(), 1)))
}

#[test]
fn from_given_starts_it_ends_where_scikit_learn_does() {
    let customers = customers();
    let points = points_of(&customers);
    let scale = Scale::of(&points);
    // Means and standard deviations that scikit-learn's StandardScaler gives.
    for (found, expected) in scale.means.iter().zip([3.856_073_301_6, 1.371_141_862_5, 6.538_853_962_6]) {
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }
    for (found, expected) in scale.deviations.iter().zip([1.299_773_019_6, 0.690_485_379_8, 1.398_139_488_2])
    {
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }
    let standardised = points.standardised(&scale);
    let starts = ["16746", "14673", "12514", "16944"].map(|named| {
        let (_, point, _) = customers.iter().find(|(customer, ..)| customer == named).expect("a customer");
        scale.standardised(point)
    });
    let found = lloyd(&standardised, starts.to_vec());
    assert!((found.inertia - 4_258.680_069_366_3).abs() < 1e-6, "{}", found.inertia);
    assert_eq!(found.rounds, 34);
    let group = |point: &[f64]| {
        let centers = found.centers.iter().map(Vec::as_slice);
        nearest(&scale.standardised(point), centers, &[1.0; 3]).expect("a group")
    };
    let other = customers.iter().filter(|(_, point, expected)| group(point) != *expected).count();
    assert_eq!(other, 0, "every customer is where scikit-learn has them");
    let mut sizes = [0; 4];
    for (_, point, _) in &customers {
        sizes[group(point)] += 1;
    }
    assert_eq!(sizes, [777, 958, 1184, 1393]);
    let mean = silhouette(&standardised, &found.members, 4).expect("four groups");
    assert!((mean - 0.326_436_220_134_6).abs() < 1e-9, "{mean}");
}

#[test]
fn its_own_starts_do_no_worse() {
    let found = Clustering::find(&points_of(&customers()), &[4], 1);
    assert!(found.converged);
    assert!(found.inertia <= 4_258.680_07, "{}", found.inertia);
    assert_eq!(found.clusters.iter().map(|cluster| cluster.size).sum::<u64>(), 4_312);
    assert!(found.clusters.is_sorted_by(|one, next| one.size >= next.size));
}

/// Three heaps of `each` points around (0, 0), (10, 0) and (0, 10), none of two alike.
fn heaps(each: u32) -> Vec<Vec<f64>> {
    let around = |x: f64, y: f64| {
        (0..each).map(move |n| vec![x + f64::from(n % 7) / 10.0, y + f64::from(n) / f64::from(each)])
    };
    around(0.0, 0.0).chain(around(10.0, 0.0)).chain(around(0.0, 10.0)).collect()
}

fn points(of: &[Vec<f64>]) -> Points {
    Points::new(2, of.iter().map(|point| (point.clone(), 1)))
}

#[test]
fn of_several_numbers_the_one_is_taken_that_parts_them_best() {
    let found = Clustering::find(&points(&heaps(40)), &[2, 3, 4, 5], 7);
    assert_eq!(found.clusters.len(), 3);
    assert_eq!(found.candidates.iter().map(|tried| tried.k).collect::<Vec<_>>(), [2, 3, 4, 5]);
    // Of more points than are looked at for that, too.
    let many = Clustering::find(&points(&heaps(4_000)), &[5, 4, 3, 2], 7);
    assert_eq!(many.clusters.iter().map(|cluster| cluster.size).collect::<Vec<_>>(), [4_000; 3]);
}

#[test]
fn silhouettes_of_four_points_by_hand() {
    // 0 and 1 in one group, 4 and 6 in the other. a = 1, 1, 2, 2; b = 5, 4, 3.5, 5.5;
    // s = 4/5, 3/4, 1.5/3.5, 3.5/5.5.
    let points = Points::new(1, [0.0, 1.0, 4.0, 6.0].map(|value| (vec![value], 1)));
    let expected = (0.8 + 0.75 + 1.5 / 3.5 + 3.5 / 5.5) / 4.0;
    let found = silhouette(&points, &[0, 0, 1, 1], 2).expect("two groups");
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    // Who is alone has none: 0; the others have a = 1 and b = 3.5, 5.5 less what lies between.
    let found = silhouette(&points, &[0, 1, 1, 1], 2).expect("two groups");
    let alone = [(4.0, 1.0), (2.5, 4.0), (3.5, 6.0)];
    let expected = alone.iter().map(|(a, b): &(f64, f64)| (b - a) / a.max(*b)).sum::<f64>() / 4.0;
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    assert_eq!(silhouette(&points, &[0; 4], 1), None);
}

#[test]
fn none_one_and_equal_points_are_no_error() {
    let none = Clustering::find(&Points::new(2, []), &[3], 1);
    assert_eq!((none.clusters.len(), none.candidates.len()), (0, 0));
    let one = Clustering::find(&Points::new(2, [(vec![3.0, 4.0], 9)]), &[2, 3], 1);
    assert_eq!((one.clusters.len(), one.clusters[0].size), (1, 9));
    assert_eq!(one.clusters[0].center, [3.0, 4.0]);
    assert_eq!(one.scale.deviations, [0.0, 0.0]);
    // More groups than distinct points are as many as there are points.
    let two = Clustering::find(&Points::new(1, [(vec![1.0], 2), (vec![5.0], 3)]), &[4], 1);
    assert_eq!(two.clusters.iter().map(|cluster| cluster.size).collect::<Vec<_>>(), [3, 2]);
    // A constant column changes nothing.
    let with =
        |constant: f64| heaps(20).into_iter().map(move |point| (vec![point[0], constant, point[1]], 1));
    let found = Clustering::find(&Points::new(3, with(0.1)), &[3], 1);
    assert_eq!(found.clusters.iter().map(|cluster| cluster.size).collect::<Vec<_>>(), [20; 3]);
    assert_eq!(found.scale.deviations[1].to_bits(), 0);
    assert!(found.clusters.iter().all(|cluster| (cluster.center[1] - 0.1).abs() < 1e-12));
}

#[test]
fn a_group_that_loses_all_its_points_takes_the_farthest() {
    let points = Points::new(1, [0.0, 1.0, 2.0, 9.0].map(|value| (vec![value], 1)));
    // Nothing is nearest to the third start.
    let found = lloyd(&points, vec![vec![0.0], vec![1.5], vec![-50.0]]);
    let mut centers: Vec<f64> = found.centers.iter().map(|center| center[0]).collect();
    centers.sort_by(f64::total_cmp);
    assert_eq!(centers, [0.0, 1.5, 9.0]);
}

proptest! {
    #[test]
    fn the_order_and_the_counting_do_not_matter(
        values in prop::collection::vec((-50_i32..50, -3_i32..3), 1..60),
        seed in any::<u64>(),
    ) {
        let rows: Vec<Vec<f64>> = values.iter().map(|(x, y)| vec![f64::from(*x), f64::from(*y)]).collect();
        let straight = Clustering::find(&points(&rows), &[2, 3], seed);
        let backwards: Vec<Vec<f64>> = rows.iter().rev().cloned().collect();
        prop_assert_eq!(&straight, &Clustering::find(&points(&backwards), &[3, 2], seed));
        prop_assert_eq!(
            straight.clusters.iter().map(|cluster| cluster.size).sum::<u64>(),
            u64::try_from(rows.len()).expect("few")
        );
        prop_assert!(straight.converged);
        // Each point is in the group whose centre is nearest: the distances add up to the inertia.
        let deviations = &straight.scale.deviations;
        let distances = rows.iter().map(|row| {
            let centers = || straight.clusters.iter().map(|cluster| cluster.center.as_slice());
            let center = centers().nth(nearest(row, centers(), deviations).expect("a group")).expect("its centre");
            let parts = row.iter().zip(center).zip(deviations).filter(|(_, deviation)| **deviation > 0.0);
            parts.map(|((value, center), deviation)| ((value - center) / deviation).powi(2)).sum::<f64>()
        });
        let sum: f64 = distances.sum();
        prop_assert!((sum - straight.inertia).abs() < 1e-6, "{} {}", sum, straight.inertia);
    }
}
