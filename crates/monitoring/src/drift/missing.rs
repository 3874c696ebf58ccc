//! More missing values than before.

use statrs::function::factorial::ln_binomial;

/// The probability of at least `current` absent values among `current_rows`, when the reference had
/// `reference` among `reference_rows` and nothing has changed: Fisher's exact test, one-sided.
pub fn missing_rise_p_value(
    reference: usize,
    reference_rows: usize,
    current: usize,
    current_rows: usize,
) -> f64 {
    let absent = reference + current;
    let rows = reference_rows + current_rows;
    if current == 0 || current_rows == 0 || reference_rows == 0 {
        return 1.0;
    }
    let ln = |n: usize, k: usize| ln_binomial(n as u64, k as u64);
    let total = ln(rows, absent);
    let most = absent.min(current_rows);
    let least = current.max(absent.saturating_sub(reference_rows));
    let mut sum = 0.0;
    for k in least..=most {
        let term = (ln(current_rows, k) + ln(reference_rows, absent - k) - total).exp();
        sum += term;
        // Past the mode the terms fall faster and faster.
        let mode = (absent as f64 + 1.0) * (current_rows as f64 + 1.0) / (rows as f64 + 2.0);
        if k as f64 > mode && term < sum * 1e-17 {
            break;
        }
    }
    sum.clamp(0.0, 1.0)
}
