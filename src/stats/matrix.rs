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

/// The diagonal of the inverse, or none if the matrix is not positive definite.
pub(super) fn inverse_diagonal<const N: usize>(matrix: &[[f64; N]; N]) -> Option<[f64; N]> {
    let mut diagonal = [0.0; N];
    for (row, entry) in diagonal.iter_mut().enumerate() {
        let mut unit = [0.0; N];
        unit[row] = 1.0;
        *entry = solve(matrix, &unit)?[row];
    }
    Some(diagonal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_is_what_one_computes_by_hand() {
        let found = inverse_diagonal(&[[4.0, 2.0], [2.0, 3.0]]).expect("positive definite");
        assert!((found[0] - 0.375).abs() < 1e-15 && (found[1] - 0.5).abs() < 1e-15);
        assert_eq!(inverse_diagonal(&[[1.0, 2.0], [2.0, 1.0]]), None);
        assert_eq!(inverse_diagonal(&[[f64::NAN]]), None);
    }
}
