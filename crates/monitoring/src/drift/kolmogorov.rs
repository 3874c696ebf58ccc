//! The distribution of the one-sample Kolmogorov–Smirnov statistic.
//!
//! Which method where follows Simard and L'Ecuyer, "Computing the two-sided Kolmogorov–Smirnov
//! distribution", J. Stat. Softw. 39 (2011): the matrix of Durbin for small samples, the expansion
//! of Pelz and Good for large ones, twice the one-sided tail where that is as good as exact.

use std::f64::consts::PI;

use statrs::function::gamma::ln_gamma;

/// P(Dₙ ≥ d) for the statistic D of one sample of n rows (a whole number, at least 1): the p-value of
/// the one-sample test, and the large-sample p-value of the two-sample test.
pub fn ks_one_sample_survival(n: f64, d: f64) -> f64 {
    let nd2 = n * d * d;
    if n * d <= 0.5 {
        return 1.0;
    }
    if d >= 1.0 || nd2 >= 745.0 {
        // Below the smallest number there is.
        return 0.0;
    }
    let tail = if n <= 140.0 { 4.0 } else { 2.2 };
    let survival = if d >= 0.5 || nd2 >= tail {
        2.0 * one_sided_survival(n, d)
    } else if n <= 140.0 || (n <= 100_000.0 && n * d.powf(1.5) <= 1.4) {
        1.0 - durbin(n, d)
    } else {
        1.0 - pelz_good(n, d)
    };
    survival.clamp(0.0, 1.0)
}

/// P(Dₙ⁺ ≥ d) = d Σⱼ C(n, j) (1 − d − j/n)^{n−j} (d + j/n)^{j−1}, j ≤ n(1 − d): Birnbaum and
/// Tingey, Ann. Math. Statist. 22 (1951) 592.
fn one_sided_survival(n: f64, d: f64) -> f64 {
    let whole = ln_gamma(n + 1.0);
    let mut sum = 0.0;
    let mut j = 0.0;
    while j <= n * (1.0 - d) {
        let rest = 1.0 - d - j / n;
        if rest > 0.0 {
            let choose = whole - ln_gamma(j + 1.0) - ln_gamma(n - j + 1.0);
            sum += (choose + (n - j) * rest.ln() + (j - 1.0) * (d + j / n).ln()).exp();
        }
        j += 1.0;
    }
    d * sum
}

/// P(Dₙ < d) by the n-th power of a matrix: Marsaglia, Tsang and Wang, J. Stat. Softw. 8 (2003).
fn durbin(n: f64, d: f64) -> f64 {
    let k = (n * d).floor() + 1.0;
    let h = k - n * d;
    let size = 2 * k as usize - 1;
    let mut start = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..size.min(row + 2) {
            start[row * size + column] = 1.0;
        }
    }
    for i in 0..size {
        start[i * size] -= h.powi(i as i32 + 1);
        start[(size - 1) * size + i] -= h.powi((size - i) as i32);
    }
    if 2.0 * h > 1.0 {
        start[(size - 1) * size] += (2.0 * h - 1.0).powi(size as i32);
    }
    for row in 0..size {
        for column in 0..size.min(row + 2) {
            for g in 1..=(row + 1 - column) {
                start[row * size + column] /= g as f64;
            }
        }
    }
    let (power, mut exponent) = matrix_power(&start, size, n as u32);
    let middle = k as usize - 1;
    let mut value = power[middle * size + middle];
    // Times n!/nⁿ, with the exponent kept apart so that nothing underflows on the way.
    for i in 1..=n as u32 {
        value *= f64::from(i) / n;
        if value < 1e-140 {
            value *= 1e140;
            exponent -= 140;
        }
    }
    value * 10_f64.powi(exponent)
}

/// The matrix to this power, as a matrix and a power of ten to multiply it with.
fn matrix_power(matrix: &[f64], size: usize, power: u32) -> (Vec<f64>, i32) {
    let mut result: Vec<f64> = identity(size);
    let mut exponent = 0;
    for bit in (0..u32::BITS - power.leading_zeros()).rev() {
        result = multiply(&result, &result, size);
        exponent *= 2;
        if power >> bit & 1 == 1 {
            result = multiply(&result, matrix, size);
        }
        if result[size / 2 * size + size / 2] > 1e140 {
            for cell in &mut result {
                *cell *= 1e-140;
            }
            exponent += 140;
        }
    }
    (result, exponent)
}

fn identity(size: usize) -> Vec<f64> {
    (0..size * size)
        .map(|i| if i % (size + 1) == 0 { 1.0 } else { 0.0 })
        .collect()
}

fn multiply(a: &[f64], b: &[f64], size: usize) -> Vec<f64> {
    let mut product = vec![0.0; size * size];
    for row in 0..size {
        for inner in 0..size {
            let factor = a[row * size + inner];
            for column in 0..size {
                product[row * size + column] += factor * b[inner * size + column];
            }
        }
    }
    product
}

/// P(Dₙ < d) to the order n^{−3/2}: Pelz and Good, J. R. Stat. Soc. B 38 (1976) 152.
fn pelz_good(n: f64, d: f64) -> f64 {
    let z = n.sqrt() * d;
    let (z2, z4, z6) = (z.powi(2), z.powi(4), z.powi(6));
    let pi2 = PI * PI;
    let (mut k0, mut k1, mut k2, mut k3) = (0.0, 0.0, 0.0, 0.0);
    let (mut k2_whole, mut k3_whole) = (0.0, 0.0);
    // The sums over all whole k are even in k + ½ and in k; twenty terms underflow for z < 4.
    for k in 0..20 {
        let half = pi2 * (f64::from(k) + 0.5).powi(2);
        let weight = (-half / (2.0 * z2)).exp();
        k0 += weight;
        k1 += (half - z2) * weight;
        k2 +=
            (6.0 * z6 + 2.0 * z4 + (2.0 * z4 - 5.0 * z2) * half + (1.0 - 2.0 * z2) * half.powi(2))
                * weight;
        k3 += (half.powi(3) * (5.0 - 30.0 * z2)
            + half.powi(2) * (-60.0 * z2 + 212.0 * z4)
            + half * (135.0 * z4 - 96.0 * z6)
            - 30.0 * z6
            - 90.0 * z4 * z4)
            * weight;
        let whole = pi2 * f64::from(k).powi(2);
        let weight = (-whole / (2.0 * z2)).exp();
        k2_whole += whole * weight;
        k3_whole += (3.0 * whole * z2 - whole.powi(2)) * weight;
    }
    let root = (PI / 2.0).sqrt();
    let k0 = (2.0 * PI).sqrt() / z * k0;
    let k1 = root * 2.0 * k1 / (6.0 * z4);
    let k2 = root * 2.0 * (k2 / (72.0 * z4 * z2 * z) - k2_whole / (36.0 * z2 * z));
    let k3 = root * 2.0 * (k3 / (6480.0 * z6 * z4) + k3_whole / (216.0 * z6));
    k0 + k1 / n.sqrt() + k2 / n + k3 / n.powf(1.5)
}
