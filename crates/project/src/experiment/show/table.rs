//! Experiments as rows, what they were run with and what came out as columns: those of DVC
//! (`dvc/repo/experiments/show.py` and `dvc/commands/experiments/show.py` of DVC 3).

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::{IndexMap, IndexSet};
use ketch_dvc::params::{python_general, python_text};
use ketch_dvc::yaml::Value;
use regex::Regex;

use super::super::ExperimentError;
use super::super::queue::TaskState;
use super::{ExperimentRange, ExperimentState, FileValues, StateData};
use crate::ProjectError;

/// How to lay experiments out.
#[derive(Debug, Clone)]
pub struct TableOptions {
    /// A metric or parameter, `FILE:NAME` or `NAME`, that experiments of a commit are sorted by.
    pub sort_by: Option<String>,
    pub order: SortOrder,
    /// To how many significant digits fractions are rounded; not at all if none.
    pub digits: Option<usize>,
    /// Leave out columns that say the same in every row.
    pub only_changed: bool,
    /// Regular expressions for the beginnings of names of columns to leave out.
    pub dropped: Vec<String>,
    /// And of columns to show whatever the two above say.
    pub kept: Vec<String>,
    /// What stands where nothing is known.
    pub blank: &'static str,
    /// How a time, in seconds since 1970, is shown.
    pub shown_time: fn(i64) -> String,
    pub first_columns: FirstColumns,
}

/// How rows are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FirstColumns {
    /// By one column, in which experiments are drawn below their commit.
    #[default]
    Drawn,
    /// By a column for each fact.
    Apart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortOrder {
    #[default]
    Ascending,
    Descending,
}

/// Columns of equal length, and what each row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExperimentTable {
    pub columns: Vec<TableColumn>,
    pub rows: Vec<RowKind>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    pub name: String,
    pub kind: ColumnKind,
    pub cells: Vec<String>,
}

/// What a column is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Which experiment it is and where it stands.
    About,
    Metric,
    Param,
    Dependency,
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// The work tree, or a commit that experiments began from.
    Baseline,
    Experiment,
    /// The last one of its commit.
    LastExperiment,
}

impl ExperimentTable {
    /// Lays experiments out.
    ///
    /// # Errors
    ///
    /// When the column to sort by is none or may be several, or an expression is none.
    pub fn new(states: &[ExperimentState], options: &TableOptions) -> Result<Self, ProjectError> {
        let names = Names::of(states);
        let mut builder = Builder::new(options, &names);
        let sorting = options
            .sort_by
            .as_deref()
            .map(|wanted| names.sorting(wanted))
            .transpose()?;
        for baseline in states {
            builder.baseline(baseline);
            let mut below: Vec<&ExperimentRange> = baseline.experiments.iter().flatten().collect();
            if let Some(sorting) = &sorting {
                below.sort_by(|left, right| sorting.compare(left, right));
                if options.order == SortOrder::Descending {
                    // As a stable sort from the end: equals keep their order.
                    below.reverse();
                    below.sort_by(|left, right| sorting.compare(right, left));
                }
            }
            let count = below.len();
            for (place, range) in below.into_iter().enumerate() {
                builder.experiment(range, place + 1 == count);
            }
        }
        builder.finish()
    }
}

/// Names of values, by file.
#[derive(Debug, Default)]
struct Names {
    metrics: ByFile,
    params: ByFile,
    deps: BTreeSet<Utf8PathBuf>,
}

type ByFile = IndexMap<Utf8PathBuf, IndexSet<String>>;

impl Names {
    fn of(states: &[ExperimentState]) -> Self {
        let mut names = Self::default();
        for state in states {
            names.add(state);
            for range in state.experiments.iter().flatten() {
                for state in &range.revs {
                    names.add(state);
                }
            }
        }
        names
    }

    fn add(&mut self, state: &ExperimentState) {
        let Some(data) = &state.data else { return };
        for (values, names) in [
            (&data.metrics, &mut self.metrics),
            (&data.params, &mut self.params),
        ] {
            for (file, values) in values {
                let known = names.entry(file.clone()).or_default();
                known.extend(flat(values).into_iter().map(|(name, _)| name));
            }
        }
        self.deps.extend(data.deps.keys().cloned());
    }

    /// Which value a text means: `FILE:NAME`, `:NAME` or `NAME`.
    fn sorting(&self, wanted: &str) -> Result<Sorting, ProjectError> {
        let mut found = BTreeSet::new();
        for (kind, names) in [
            (ColumnKind::Metric, &self.metrics),
            (ColumnKind::Param, &self.params),
        ] {
            for (file, names) in names {
                let exact = names
                    .iter()
                    .filter(|name| format!("{file}:{name}") == wanted);
                found.extend(
                    exact.map(|name| (file.clone(), name.clone(), kind == ColumnKind::Metric)),
                );
            }
        }
        if found.is_empty() {
            let name = wanted.strip_prefix(':').unwrap_or(wanted);
            for (is_metric, names) in [(true, &self.metrics), (false, &self.params)] {
                let named = names.iter().filter(|(_, names)| names.contains(name));
                found.extend(named.map(|(file, _)| (file.clone(), name.to_owned(), is_metric)));
            }
        }
        let mut rest = found.iter();
        match (rest.next(), rest.next()) {
            (Some((file, name, is_metric)), None) => Ok(Sorting {
                file: file.clone(),
                name: name.clone(),
                is_metric: *is_metric,
            }),
            (Some(_), Some(_)) => Err(ExperimentError::AmbiguousColumn {
                name: wanted.to_owned(),
                columns: found
                    .iter()
                    .map(|(file, name, _)| format!("{file}:{name}"))
                    .collect(),
            }
            .into()),
            (None, _) => Err(ExperimentError::UnknownColumn {
                name: wanted.to_owned(),
            }
            .into()),
        }
    }
}

/// What experiments are sorted by.
#[derive(Debug)]
struct Sorting {
    file: Utf8PathBuf,
    name: String,
    is_metric: bool,
}

impl Sorting {
    fn value(&self, range: &ExperimentRange) -> Option<Value> {
        let data = range.revs.first()?.data.as_ref()?;
        let values = if self.is_metric {
            &data.metrics
        } else {
            &data.params
        };
        let values = flat(values.get(&self.file)?);
        let found = values.into_iter().find(|(name, _)| *name == self.name);
        found.map(|(_, value)| value.clone())
    }

    /// Numbers before texts, and what is not known last.
    fn compare(&self, left: &ExperimentRange, right: &ExperimentRange) -> Ordering {
        let rank = |value: &Option<Value>| match value {
            Some(Value::Null) | None => 2,
            Some(value) => u8::from(number(value).is_none()),
        };
        let (left, right) = (self.value(left), self.value(right));
        rank(&left).cmp(&rank(&right)).then_with(|| {
            let (Some(left), Some(right)) = (&left, &right) else {
                return Ordering::Equal;
            };
            match (number(left), number(right)) {
                (Some(left), Some(right)) => left.total_cmp(&right),
                _ => python_text(left).cmp(&python_text(right)),
            }
        })
    }
}

/// As Python counts: `True` is 1.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        other => other.as_f64(),
    }
}

const ABOUT: [&str; 7] = [
    "Experiment",
    "rev",
    "typ",
    "Created",
    "parent",
    "State",
    "Executor",
];

struct Builder<'a> {
    options: &'a TableOptions,
    columns: IndexMap<String, (ColumnKind, Vec<String>)>,
    rows: Vec<RowKind>,
    /// How often a name is that of a column.
    counts: HashMap<String, usize>,
}

impl<'a> Builder<'a> {
    fn new(options: &'a TableOptions, names: &Names) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let values = names.metrics.values().chain(names.params.values());
        let about = ABOUT.iter().map(ToString::to_string);
        for name in values.flatten().cloned().chain(about) {
            *counts.entry(name).or_default() += 1;
        }
        let mut builder = Self {
            options,
            columns: IndexMap::new(),
            rows: Vec::new(),
            counts,
        };
        for name in ABOUT {
            builder.column(name.to_owned(), ColumnKind::About);
        }
        for (kind, names) in [
            (ColumnKind::Metric, &names.metrics),
            (ColumnKind::Param, &names.params),
        ] {
            for (file, names) in names {
                for name in names {
                    let header = builder.header(file, name);
                    builder.column(header, kind);
                }
            }
        }
        for path in &names.deps {
            builder.column(path.to_string(), ColumnKind::Dependency);
        }
        builder
    }

    fn column(&mut self, name: String, kind: ColumnKind) {
        self.columns.entry(name).or_insert((kind, Vec::new()));
    }

    /// A value's name, with its file where others are called so too.
    fn header(&self, file: &Utf8Path, name: &str) -> String {
        if self.counts.get(name) == Some(&1) {
            name.to_owned()
        } else {
            format!("{file}:{name}")
        }
    }

    fn baseline(&mut self, state: &ExperimentState) {
        let label = state.name.clone().unwrap_or_else(|| short(&state.rev));
        let mut cells = HashMap::from([
            ("Experiment".to_owned(), String::new()),
            ("rev".to_owned(), label.clone()),
            ("typ".to_owned(), "baseline".to_owned()),
            ("parent".to_owned(), String::new()),
        ]);
        if self.options.first_columns == FirstColumns::Drawn {
            cells.insert("Experiment".to_owned(), label);
        }
        self.add(RowKind::Baseline, cells, state.data.as_ref());
    }

    fn experiment(&mut self, range: &ExperimentRange, is_last: bool) {
        let Some(state) = range.revs.first() else {
            return;
        };
        let name = state.name.clone().unwrap_or_default();
        let rev = short(&state.rev);
        let (row, typ, tree) = if is_last {
            (RowKind::LastExperiment, "branch_base", "└──")
        } else {
            (RowKind::Experiment, "branch_commit", "├──")
        };
        let shown = match (self.options.first_columns, name.is_empty()) {
            (FirstColumns::Apart, _) => name,
            (FirstColumns::Drawn, true) => format!("{tree} {rev}"),
            (FirstColumns::Drawn, false) => format!("{tree} {rev} [{name}]"),
        };
        let mut cells = HashMap::from([
            ("Experiment".to_owned(), shown),
            ("rev".to_owned(), rev),
            ("typ".to_owned(), typ.to_owned()),
            ("parent".to_owned(), String::new()),
        ]);
        if let Some(executor) = &range.executor {
            let state = match executor.state {
                TaskState::Running => "Running",
                TaskState::Queued => "Queued",
                TaskState::Failed => "Failed",
                TaskState::Success => "Success",
            };
            cells.insert("State".to_owned(), state.to_owned());
            cells.extend(
                executor
                    .name
                    .map(|name| ("Executor".to_owned(), capitalized(name))),
            );
        }
        self.add(row, cells, state.data.as_ref());
    }

    fn add(&mut self, row: RowKind, mut cells: HashMap<String, String>, data: Option<&StateData>) {
        if let Some(data) = data {
            let time = data
                .timestamp
                .as_ref()
                .map(|time| match self.options.first_columns {
                    FirstColumns::Apart => time.written.clone(),
                    FirstColumns::Drawn => (self.options.shown_time)(time.seconds),
                });
            cells.extend(time.map(|time| ("Created".to_owned(), time)));
            for (file, values) in data.metrics.iter().chain(&data.params) {
                for (name, value) in flat(values) {
                    if *value != Value::Null {
                        cells.insert(self.header(file, &name), shown(value, self.options.digits));
                    }
                }
                if matches!(values, FileValues::Unreadable(_)) {
                    let prefix = format!("{file}:");
                    for header in self.columns.keys().filter(|name| name.starts_with(&prefix)) {
                        cells.insert(header.clone(), "!".to_owned());
                    }
                }
            }
            for (path, dependency) in &data.deps {
                cells.extend(dependency.hash.clone().map(|hash| (path.to_string(), hash)));
            }
        }
        self.rows.push(row);
        for (name, (_, column)) in &mut self.columns {
            let cell = cells.remove(name);
            column.push(cell.unwrap_or_else(|| self.options.blank.to_owned()));
        }
    }

    fn finish(self) -> Result<ExperimentTable, ProjectError> {
        let matcher = |expressions: &[String]| -> Result<Vec<Regex>, ProjectError> {
            let whole = expressions.iter().map(|expression| {
                Regex::new(&format!("^(?:{expression})")).map_err(|source| {
                    ExperimentError::ColumnPattern {
                        pattern: expression.clone(),
                        source,
                    }
                    .into()
                })
            });
            whole.collect()
        };
        let (kept, dropped) = (
            matcher(&self.options.kept)?,
            matcher(&self.options.dropped)?,
        );
        let is_drawn = self.options.first_columns == FirstColumns::Drawn;
        let stays = |name: &str, cells: &[String]| {
            if is_drawn && ["rev", "typ", "parent"].contains(&name) {
                return false;
            }
            if kept.iter().any(|kept| kept.is_match(name)) {
                return true;
            }
            let is_alike = cells.windows(2).all(|pair| pair.first() == pair.last());
            let is_blank = is_alike && cells.first().is_none_or(|cell| cell == self.options.blank);
            let is_needless = (["State", "Executor"].contains(&name) && is_blank)
                || (self.options.only_changed && is_alike);
            !is_needless && !dropped.iter().any(|dropped| dropped.is_match(name))
        };
        let columns = self
            .columns
            .iter()
            .filter(|(name, (_, cells))| stays(name, cells))
            .map(|(name, (kind, cells))| TableColumn {
                name: name.clone(),
                kind: *kind,
                cells: cells.clone(),
            });
        Ok(ExperimentTable {
            columns: columns.collect(),
            rows: self.rows,
        })
    }
}

/// The values by their dotted names; lists are values. What is no mapping has none.
fn flat(values: &FileValues) -> Vec<(String, &Value)> {
    fn collect<'v>(value: &'v Value, name: &str, found: &mut Vec<(String, &'v Value)>) {
        match value {
            Value::Mapping(entries) => {
                for (key, value) in entries {
                    let key = if name.is_empty() {
                        key.to_string()
                    } else {
                        format!("{name}.{key}")
                    };
                    collect(value, &key, found);
                }
            }
            other => found.push((name.to_owned(), other)),
        }
    }
    let mut found = Vec::new();
    if let FileValues::Read(value @ Value::Mapping(_)) = values {
        collect(value, "", &mut found);
    }
    found
}

/// As Python shows it, with fractions rounded.
fn shown(value: &Value, digits: Option<usize>) -> String {
    match (value, digits) {
        (Value::Float(number), Some(digits)) => python_general(*number, digits),
        (Value::Sequence(items), Some(digits)) => {
            // Python shows a list of the texts that rounding makes.
            let items = items.iter().map(|item| match item {
                Value::Float(number) => Value::from(python_general(*number, digits)),
                other => other.clone(),
            });
            python_text(&Value::Sequence(items.collect()))
        }
        (other, _) => python_text(other),
    }
}

fn short(rev: &str) -> String {
    let is_id = matches!(rev.len(), 40 | 64) && rev.bytes().all(|byte| byte.is_ascii_hexdigit());
    rev.chars()
        .take(if is_id { 7 } else { usize::MAX })
        .collect()
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
