"""Makes golden.json and river.json: values of other tools that the tests hold ours to.

With SciPy 1.17.1, scikit-learn 1.9.1, NumPy 2 and River 0.26.1:
    python make_golden.py            golden.json (SciPy, scikit-learn)
    python make_golden.py river      river.json (River)
river_detectors_golden.json and gauss_seed3.txt (River 0.26.1 too) were made before this script.
The samples are made by a generator that the Rust tests have too (`random.rs`).
"""

import json
import math
import sys


class Random:
    """SplitMix64 (Steele, Lea, Flood 2014)."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    def uniform(self):
        return (self.next() >> 11) / (1 << 53)


def sample(seed, size, shift, digits):
    """Sums of three uniforms, rounded so that there are ties when digits are few."""
    random = Random(seed)
    scale = 10**digits
    return [
        math.floor((random.uniform() + random.uniform() + random.uniform() + shift) * scale) / scale
        for _ in range(size)
    ]


def golden():
    import numpy as np
    import scipy
    import sklearn
    from scipy import stats
    from sklearn import metrics

    out = {"scipy": scipy.__version__, "scikit_learn": sklearn.__version__}
    ks = []
    cases = [
        (1, 1, 0.0, 3), (2, 3, 0.0, 3), (5, 7, 0.4, 3), (10, 10, 0.2, 3), (17, 40, 0.1, 1),
        (50, 50, 0.0, 1), (100, 60, 0.3, 3), (120, 120, 0.9, 3), (150, 400, 0.05, 2),
        (1000, 500, 0.0, 6), (1000, 1000, 0.02, 6), (999, 1000, 0.1, 6), (2000, 3000, 0.03, 2),
        (5000, 200, 0.25, 6), (10000, 5000, 0.01, 6), (10000, 9999, 0.03, 6), (8000, 8000, 0.02, 6),
        (300, 4000, 0.8, 6), (20000, 300, 0.02, 6), (20000, 15000, 0.01, 6),
    ]
    for index, (m, n, shift, digits) in enumerate(cases):
        a = sample(2 * index, m, 0.0, digits)
        b = sample(2 * index + 1, n, shift, digits)
        row = {"m": m, "n": n, "shift": shift, "digits": digits, "seeds": [2 * index, 2 * index + 1]}
        row["d"] = stats.ks_2samp(a, b).statistic
        asymp = stats.ks_2samp(a, b, method="asymp").pvalue
        row["asymp"] = None if math.isnan(asymp) else asymp  # SciPy has no answer for 1 and 1 rows
        row["exact"] = stats.ks_2samp(a, b, method="exact").pvalue if max(m, n) <= 10000 else None
        ks.append(row)
    out["ks"] = ks
    out["kstwo_sf"] = [
        [n, d, stats.kstwo.sf(d, n)]
        for n in (1, 2, 5, 20, 67, 140, 141, 500, 5000, 100000, 1000000)
        for z in (0.3, 0.45, 0.6, 0.8, 1.0, 1.3, 1.45, 1.6, 1.9, 2.1, 3.0, 5.0)
        for d in [round(z / math.sqrt(n), 7)]
        if 0 < d < 1
    ]
    random = Random(77)
    p_values = []
    for size in (1, 2, 7, 30):
        p = [round(random.uniform() ** 3, 6) for _ in range(size)]
        p_values.append({"p": p, "q": stats.false_discovery_control(p).tolist()})
    ties = [0.01, 0.01, 0.03, 0.03, 0.03, 1.0, 0.0]
    p_values.append({"p": ties, "q": stats.false_discovery_control(ties).tolist()})
    out["false_discovery_control"] = p_values
    out["fisher_greater"] = [
        [r, rn, c, cn, stats.fisher_exact([[c, cn - c], [r, rn - r]], "greater").pvalue]
        for r, rn, c, cn in [
            (0, 100, 5, 100), (10, 1000, 10, 1000), (3, 5000, 40, 500), (1, 20000, 9, 5000),
            (50, 50, 50, 50), (7, 7, 1, 9), (100, 200, 3, 100), (0, 20000, 2500, 5000),
        ]
    ]
    performance = []
    for seed, rows, digits in ((100, 40, 1), (101, 300, 2), (102, 1000, 6)):
        random = Random(seed)
        labels = [random.uniform() < 0.3 for _ in range(rows)]
        noise_a = sample(seed + 1000, rows, 0.0, digits)
        noise_b = sample(seed + 2000, rows, 0.0, digits)
        a = [(x + 0.8 * y) / 4 for x, y in zip(noise_a, labels)]
        b = [(0.7 * x + 0.3 * z + 0.5 * y) / 4 for x, z, y in zip(noise_a, noise_b, labels)]
        hard = [x > 0.45 for x in a]
        performance.append({
            "seed": seed, "rows": rows, "digits": digits,
            "roc_auc": [metrics.roc_auc_score(labels, a), metrics.roc_auc_score(labels, b)],
            "log_loss": metrics.log_loss(labels, a),
            "brier": metrics.brier_score_loss(labels, a),
            "accuracy": metrics.accuracy_score(labels, hard),
            "balanced_accuracy": metrics.balanced_accuracy_score(labels, hard),
            "delong": delong(np.array(a), np.array(b), np.array(labels)),
            "bootstrap_standard_error": bootstrap(np.array(a), np.array(b), np.array(labels)),
        })
    out["performance"] = performance
    return out


def delong(a, b, labels):
    """By the definition, all pairs: difference, standard error, 95 % interval, p."""
    import numpy as np
    from scipy import stats

    def pairs(scores):
        x, y = scores[labels][:, None], scores[~labels][None, :]
        return (x > y) + 0.5 * (x == y)

    kernels = [pairs(a), pairs(b)]
    v10 = np.array([k.mean(axis=1) for k in kernels])
    v01 = np.array([k.mean(axis=0) for k in kernels])
    s = np.cov(v10) / v10.shape[1] + np.cov(v01) / v01.shape[1]
    difference = kernels[0].mean() - kernels[1].mean()
    error = math.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])
    z = stats.norm.ppf(0.975)
    p = 2 * stats.norm.sf(abs(difference) / error)
    return [difference, error, difference - z * error, difference + z * error, p]


def bootstrap(a, b, labels):
    """The standard deviation of the difference over 1000 resamples, within the classes."""
    import numpy as np
    from sklearn import metrics

    generator = np.random.default_rng(1)
    positive, negative = np.flatnonzero(labels), np.flatnonzero(~labels)
    differences = []
    for _ in range(1000):
        rows = np.concatenate([generator.choice(positive, len(positive)), generator.choice(negative, len(negative))])
        differences.append(metrics.roc_auc_score(labels[rows], a[rows]) - metrics.roc_auc_score(labels[rows], b[rows]))
    return float(np.std(differences, ddof=1))


def river():
    """Alarms on streams of the generator: [index, rows kept (ADWIN)] of each detector."""
    import river
    from river import drift

    out = {"river": river.__version__, "streams": []}
    makers = {
        "adwin": lambda: drift.ADWIN(),
        "adwin, delta 0.05, clock 8, max_buckets 3, min_window_length 3, grace_period 4": lambda: drift.ADWIN(
            delta=0.05, clock=8, max_buckets=3, min_window_length=3, grace_period=4),
        "page-hinkley": lambda: drift.PageHinkley(),
        "page-hinkley, up, threshold 20": lambda: drift.PageHinkley(mode="up", threshold=20),
        "ddm": lambda: drift.binary.DDM(),
    }
    for seed, rates in enumerate([
        [0.2, 0.4], [0.2], [0.3, 0.1], [0.05, 0.9, 0.05, 0.5], [0.5, 0.45, 0.55, 0.4, 0.6], [0.01, 0.03, 0.2], [0.0, 1.0, 0.0],
    ]):
        random = Random(500 + seed)
        values = [float(random.uniform() < rate) for rate in rates for _ in range(3000)]
        row = {"seed": 500 + seed, "rates": rates, "rows_each": 3000}
        for name, maker in makers.items():
            detector, alarms = maker(), []
            for index, value in enumerate(values):
                detector.update(value)
                if detector.drift_detected:
                    alarms.append([index, int(detector.width)] if name.startswith("adwin") else index)
            row[name] = alarms
        out["streams"].append(row)
    random = Random(600)
    values = [random.uniform() * 4 - 2 + step for step in (0, 1, -1, 5) for _ in range(2000)]
    row = {"seed": 600, "steps": [0, 1, -1, 5], "rows_each": 2000}
    for name in ("adwin", "page-hinkley"):
        detector, alarms = makers[name](), []
        for index, value in enumerate(values):
            detector.update(value)
            if detector.drift_detected:
                alarms.append([index, int(detector.width)] if name == "adwin" else index)
        row[name] = alarms
    out["numeric"] = row
    return out


if __name__ == "__main__":
    which = "river" if sys.argv[1:] == ["river"] else "golden"
    with open(f"{which}.json", "w") as file:
        json.dump(river() if which == "river" else golden(), file, indent=1)
        file.write("\n")
