use camino::Utf8PathBuf;
use serde::Serialize;

use super::reader::{Document, TableReader};
use crate::ProjectError;

/// `[model.NAME]`: one model the project makes and serves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelConfig {
    /// The pipeline output that is the model.
    pub artifact: Utf8PathBuf,
    /// The number the model is judged by.
    pub metric: MetricConfig,
    /// The data the monitor compares with.
    pub reference: Utf8PathBuf,
    /// The column that is predicted.
    pub label: String,
    /// The columns the model sees; empty means all but the label.
    pub features: Vec<String>,
    /// Rows with known answers that a model must reproduce before it serves.
    pub golden: Option<Utf8PathBuf>,
    /// The request parameter that places a row in time.
    pub time: Option<String>,
    pub gate: GateConfig,
    pub rollout: RolloutConfig,
    pub monitor: MonitorConfig,
    pub retrain: RetrainConfig,
}

/// `metric = { path, key, goal }`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetricConfig {
    /// The metrics file.
    pub path: Utf8PathBuf,
    /// The dotted key in it.
    pub key: String,
    pub goal: Goal,
}

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Goal {
    /// `"max"`
    #[serde(rename = "max")]
    Maximise,
    /// `"min"`
    #[serde(rename = "min")]
    Minimise,
}

/// `[model.NAME.gate]`: what a candidate must show before it may serve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateConfig {
    /// The worst metric that passes; none asks for nothing.
    pub min: Option<f64>,
    pub beats: Beats,
    /// How sure the comparison with the champion must be.
    pub confidence: f64,
}

/// Whom a candidate must beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Beats {
    /// The version that serves now.
    #[serde(rename = "champion")]
    Champion,
    /// Nobody.
    #[serde(rename = "none")]
    Nothing,
}

/// `[model.NAME.rollout]`: how traffic moves to a candidate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RolloutConfig {
    /// Percent of the traffic, rising, 100 last.
    pub steps: Vec<u8>,
    /// Labelled predictions a step needs before it may end.
    pub minimum_labels: u64,
    /// How often a candidate that is as good as the champion may be sent back.
    pub alpha: f64,
    /// Error ratio to the champion that counts as worse.
    pub margin: f64,
}

/// `[model.NAME.monitor]`: when the world has changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MonitorConfig {
    /// Rows looked at together.
    pub window: u64,
    /// Smallest change worth an alarm, whatever its significance.
    pub effect_floor: f64,
    /// Significance level of the drift tests.
    pub significance: f64,
    /// ADWIN's confidence parameter.
    pub delta: f64,
}

/// `[model.NAME.retrain]`: how a new candidate is made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetrainConfig {
    /// Labelled rows needed before training again.
    pub minimum_labels: u64,
    /// Share of the new rows kept for the gate.
    pub holdout: f64,
    /// The parameters that choose the training rows.
    pub window: Option<RowWindow>,
    /// The file those parameters are in.
    pub params_file: Utf8PathBuf,
}

/// Two dotted parameter names: the first and the last row to train on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowWindow {
    pub first: String,
    pub last: String,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            min: None,
            beats: Beats::Champion,
            confidence: 0.95,
        }
    }
}

impl Default for RolloutConfig {
    fn default() -> Self {
        Self {
            steps: vec![1, 5, 25, 50, 100],
            minimum_labels: 30,
            alpha: 0.01,
            margin: 1.25,
        }
    }
}

impl Default for MonitorConfig {
    fn default() -> Self {
        Self {
            window: 365,
            effect_floor: 0.1,
            significance: 0.01,
            delta: 0.002,
        }
    }
}

impl Default for RetrainConfig {
    fn default() -> Self {
        Self {
            minimum_labels: 400,
            holdout: 0.25,
            window: None,
            params_file: "params.yaml".into(),
        }
    }
}

const SHARE: &str = "between 0 and 1";

fn is_share(number: f64) -> bool {
    0.0 < number && number < 1.0
}

impl ModelConfig {
    pub(super) fn read(
        mut reader: TableReader<'_, '_>,
        document: &mut Document<'_>,
    ) -> Result<Self, ProjectError> {
        let artifact = reader.required_path(document, "artifact", "\"model.onnx\"")?;
        let reference = reader.required_path(document, "reference", "\"data/reference.csv\"")?;
        let label = reader.required_string(document, "label", "\"target\"")?;
        let features = reader.strings(document, "features")?;
        let golden = reader.path(document, "golden")?;
        let time = reader.string(document, "time")?;
        let metric = metric(reader.table(document, "metric")?, document)?;
        let gate = gate(reader.table(document, "gate")?, document)?;
        let rollout = rollout(reader.table(document, "rollout")?, document)?;
        let monitor = monitor(reader.table(document, "monitor")?, document)?;
        let retrain = retrain(reader.table(document, "retrain")?, document)?;
        reader.finish(document);
        Ok(Self {
            artifact,
            metric,
            reference,
            label,
            features,
            golden,
            time,
            gate,
            rollout,
            monitor,
            retrain,
        })
    }
}

fn metric(
    mut reader: TableReader<'_, '_>,
    document: &mut Document<'_>,
) -> Result<MetricConfig, ProjectError> {
    let goals = [("max", Goal::Maximise), ("min", Goal::Minimise)];
    let metric = MetricConfig {
        path: reader
            .path(document, "path")?
            .unwrap_or_else(|| "metrics.json".into()),
        key: reader.required_string(document, "key", "\"accuracy\"")?,
        goal: reader
            .choice(document, "goal", &goals)?
            .unwrap_or(Goal::Maximise),
    };
    reader.finish(document);
    Ok(metric)
}

fn gate(
    mut reader: TableReader<'_, '_>,
    document: &mut Document<'_>,
) -> Result<GateConfig, ProjectError> {
    let default = GateConfig::default();
    let beats = [("champion", Beats::Champion), ("none", Beats::Nothing)];
    let gate = GateConfig {
        min: reader.number(document, "min", "a finite number", f64::is_finite)?,
        beats: reader
            .choice(document, "beats", &beats)?
            .unwrap_or(default.beats),
        confidence: reader
            .number(document, "confidence", "between 0.5 and 1", |share| {
                (0.5..1.0).contains(&share)
            })?
            .unwrap_or(default.confidence),
    };
    reader.finish(document);
    Ok(gate)
}

fn rollout(
    mut reader: TableReader<'_, '_>,
    document: &mut Document<'_>,
) -> Result<RolloutConfig, ProjectError> {
    let default = RolloutConfig::default();
    let steps = match reader.counts(document, "steps")? {
        None => default.steps,
        Some(steps) => percentages(&steps).ok_or_else(|| {
            let message = format!("`{}` must rise and end with 100", reader.dotted("steps"));
            let hint = "for example `steps = [1, 5, 25, 50, 100]`, in percent".to_owned();
            document.error(reader.offset_of("steps"), message, Some(hint))
        })?,
    };
    let rollout = RolloutConfig {
        steps,
        minimum_labels: reader
            .count(document, "minimum_labels")?
            .unwrap_or(default.minimum_labels),
        alpha: reader
            .number(document, "alpha", SHARE, is_share)?
            .unwrap_or(default.alpha),
        margin: reader
            .number(document, "margin", "a finite number above 1", |margin| {
                margin > 1.0 && margin.is_finite()
            })?
            .unwrap_or(default.margin),
    };
    reader.finish(document);
    Ok(rollout)
}

/// Rising from at least 1, with 100 last.
fn percentages(steps: &[u64]) -> Option<Vec<u8>> {
    let rising = steps.windows(2).all(|pair| pair.first() < pair.last());
    let bounded = steps.first().is_some_and(|first| *first > 0) && steps.last() == Some(&100);
    if !(rising && bounded) {
        return None;
    }
    steps.iter().map(|step| u8::try_from(*step).ok()).collect()
}

fn monitor(
    mut reader: TableReader<'_, '_>,
    document: &mut Document<'_>,
) -> Result<MonitorConfig, ProjectError> {
    let default = MonitorConfig::default();
    let offset = reader.offset_of("window");
    let window = reader.count(document, "window")?.unwrap_or(default.window);
    if window == 0 {
        let message = format!("`{}` must be at least 1", reader.dotted("window"));
        return Err(document.error(offset, message, None));
    }
    let monitor = MonitorConfig {
        window,
        effect_floor: reader
            .number(
                document,
                "effect_floor",
                "a finite number from 0 up",
                |floor| floor >= 0.0 && floor.is_finite(),
            )?
            .unwrap_or(default.effect_floor),
        significance: reader
            .number(document, "significance", SHARE, is_share)?
            .unwrap_or(default.significance),
        delta: reader
            .number(document, "delta", SHARE, is_share)?
            .unwrap_or(default.delta),
    };
    reader.finish(document);
    Ok(monitor)
}

fn retrain(
    mut reader: TableReader<'_, '_>,
    document: &mut Document<'_>,
) -> Result<RetrainConfig, ProjectError> {
    let default = RetrainConfig::default();
    let window = match reader.optional_table(document, "window")? {
        None => None,
        Some(mut window) => {
            let rows = RowWindow {
                first: window.required_string(document, "first", "\"prepare.first_row\"")?,
                last: window.required_string(document, "last", "\"prepare.last_row\"")?,
            };
            window.finish(document);
            Some(rows)
        }
    };
    let retrain = RetrainConfig {
        minimum_labels: reader
            .count(document, "minimum_labels")?
            .unwrap_or(default.minimum_labels),
        holdout: reader
            .number(document, "holdout", SHARE, is_share)?
            .unwrap_or(default.holdout),
        window,
        params_file: reader
            .path(document, "params_file")?
            .unwrap_or(default.params_file),
    };
    reader.finish(document);
    Ok(retrain)
}
