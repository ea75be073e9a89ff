//! Lifetime value over the demo's world: what was planted is found, and a world that breaks the models' assumptions
//! shows it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::program::{Project, read_json};

const DAY: &str = "2026-01-01";

fn number(row: &Json, name: &str) -> f64 {
    row[name].as_f64().unwrap()
}

/// A demo made with `flags`, and the models `selected` of it.
fn fitted(flags: &[&str], selected: &str) -> (Project, PathBuf) {
    let project = Project::empty();
    let demo = [&["demo", "shop", "--only", "sources", "-q"], flags].concat();
    project.goodwill(&demo).ended_with(0);
    let shop = project.folder().join("shop");
    project.goodwill_in(&shop, &["run", "-s", selected, "--as-of", DAY, "-q"]).ended_with(0);
    (project, shop)
}

/// 10,000 customers, and the table on how good the models are.
fn validated(flags: &[&str]) -> (Project, PathBuf) {
    fitted(&[&["--scale", "0.01"], flags].concat(), "clv_validation")
}

fn rows(project: &Project, folder: &Path, query: &str) -> Vec<Json> {
    let shown = project.goodwill_in(folder, &["show", query, "--output", "json", "--limit", "1000"]);
    shown.ended_with(0).json()["rows"].as_array().unwrap().clone()
}

/// Grade by measure and model over all customers, and the largest |bias| of money in a frequency bin.
fn graded(project: &Project, shop: &Path) -> (BTreeMap<(String, String), String>, f64) {
    let text = |row: &Json, name: &str| row[name].as_str().unwrap().to_owned();
    let all = "select measure, model, grade from clv_validation where bin_by = 'all'";
    let grades = rows(project, shop, all);
    let grades =
        grades.iter().map(|row| ((text(row, "measure"), text(row, "model")), text(row, "grade"))).collect();
    let bias = "select max(abs(bias)) as bias from clv_validation where bin_by = 'frequency' and measure = 'amount' \
        and model = 'mbgnbd'";
    (grades, number(&rows(project, shop, bias)[0], "bias"))
}

#[test]
fn a_world_that_breaks_the_assumptions_shows_it_in_the_validation() {
    let (project, shop) = validated(&[]);
    let (grades, bias) = graded(&project, &shop);
    for measure in ["orders", "amount"] {
        for model in ["bgnbd", "mbgnbd", "pareto_nbd"] {
            assert_eq!(grades[&(measure.to_owned(), model.to_owned())], "better", "{measure} {model}");
        }
    }
    assert!(bias < 0.2, "{bias}");
    // Amounts that fall where orders are frequent are no longer independent of them, and who left comes back.
    let (odd, shop) = validated(&["--misspecified"]);
    let (grades, bias) = graded(&odd, &shop);
    assert_ne!(grades[&("amount".to_owned(), "mbgnbd".to_owned())], "better");
    assert!(bias > 0.3, "{bias}");
}

/// Of 45 intervals 43 are expected to hold what was planted; those of one seed and model are not independent.
#[test]
fn what_was_planted_lies_in_the_intervals() {
    let mut held = Vec::new();
    for seed in ["1", "2", "3", "4", "5"] {
        let (project, shop) = fitted(&["--scale", "0.002", "--seed", seed], "clv_parameters");
        let truth = read_json(&shop.join("demo/truth/world.json"));
        let found = rows(&project, &shop, "select * from clv_parameters");
        let (rate, dropout) = (&truth["purchases"]["rate"], &truth["purchases"]["dropout"]);
        let planted = [
            ("bgnbd", "r", number(rate, "shape")),
            ("bgnbd", "alpha", number(rate, "alpha_days")),
            ("bgnbd", "a", number(dropout, "a")),
            ("bgnbd", "b", number(dropout, "b")),
            ("gamma_gamma", "p", number(&truth["spend"], "p")),
            ("gamma_gamma", "q", number(&truth["spend"], "q")),
            ("gamma_gamma", "gamma", number(&truth["spend"], "gamma_cents") / 100.0),
            ("sbg", "a", number(&truth["contracts"], "a")),
            ("sbg", "b", number(&truth["contracts"], "b")),
        ];
        for (model, name, planted) in planted {
            let row = found.iter().find(|row| row["model"] == model).unwrap();
            // Few contracts may leave sBG open; then it says so and has no interval.
            if row["status"] == "boundary" && model == "sbg" {
                continue;
            }
            assert_eq!(row["status"], "ok", "{seed} {model}");
            let (found, error) = (number(row, name), number(row, &format!("{name}_se")));
            held.push((found / planted).ln().abs() < 1.96 * error / found);
        }
    }
    let inside = held.iter().filter(|inside| **inside).count();
    assert!(held.len() >= 35 && inside * 100 >= held.len() * 84, "{inside} of {}", held.len());
}
