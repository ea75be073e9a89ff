//! Symmetric matrices of a few rows: Cholesky's factor, and the inverse by it.

/// The lower factor L with L Lᵀ = `matrix`, or none if it is not positive definite.
fn cholesky<const N: usize>(matrix: &[[f64; N]; N]) -> Option<[[f64; N]; N]> {
    let mut lower = [[0.0; N]; N];
    for row in 0..N {
        for column in 0..=row {
            let known: f64 = (0..column).map(|k| lower[row][k] * lower[column][k]).sum();
            let rest = matrix[row][column] - known;
            if row == column {
                if !(rest.is_finite() && rest > 0.0) {
                    return None;
                }
                lower[row][row] = rest.sqrt();
            } else {
                lower[row][column] = rest / lower[column][column];
            }
        }
    }
    Some(lower)
}

/// x with `matrix` x = `right`, or none if the matrix is not positive definite.
pub(super) fn solve<const N: usize>(matrix: &[[f64; N]; N], right: &[f64; N]) -> Option<[f64; N]> {
    let lower = cholesky(matrix)?;
    let mut solution = *right;
    for row in 0..N {
        let known: f64 = (0..row).map(|k| lower[row][k] * solution[k]).sum();
        solution[row] = (solution[row] - known) / lower[row][row];
    }
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N).map(|k| lower[k][row] * solution[k]).sum();
        solution[row] = (solution[row] - known) / lower[row][row];
    }
    Some(solution)
}

/// The inverse, or none if the matrix is not positive definite.
pub(super) fn inverse<const N: usize>(matrix: &[[f64; N]; N]) -> Option<[[f64; N]; N]> {
    let mut rows = [[0.0; N]; N];
    for (at, row) in rows.iter_mut().enumerate() {
        let mut unit = [0.0; N];
        unit[at] = 1.0;
        *row = solve(matrix, &unit)?;
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_is_what_one_computes_by_hand() {
        let found = inverse(&[[4.0, 2.0], [2.0, 3.0]]).expect("positive definite");
        for (found, expected) in found.iter().flatten().zip([0.375, -0.25, -0.25, 0.5]) {
            assert!((found - expected).abs() < 1e-15);
        }
        assert_eq!(inverse(&[[1.0, 2.0], [2.0, 1.0]]), None);
        assert_eq!(inverse(&[[f64::NAN]]), None);
    }
}
