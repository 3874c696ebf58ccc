use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::Serialize;

use super::reader::{Document, TableReader};
use crate::{EXECUTORS, ExecutorKind, ProjectError};

/// `[executor]`: where the commands of stages run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ExecutorConfig {
    /// `use`: what runs them where the command line does not say.
    pub kind: ExecutorKind,
    /// `[executor.slurm]`
    pub slurm: SlurmConfig,
}

/// `[executor.slurm]`: how batch jobs are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlurmConfig {
    /// What every stage asks for.
    pub every: SlurmAsks,
    /// What single stages ask for, by their address or the name of their `foreach` or `matrix`.
    pub stage: BTreeMap<String, SlurmAsks>,
    /// How often a stage is begun when its node fails.
    pub attempts: NonZeroU32,
    /// After how many seconds a command of Slurm is given up and tried again.
    pub call_timeout: NonZeroU32,
}

/// What one job asks Slurm for. What is not given is left to Slurm.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct SlurmAsks {
    pub partition: Option<String>,
    pub account: Option<String>,
    /// The longest it may run, as Slurm writes it: `30` minutes, `2:00:00`, `1-12:00:00`.
    pub time: Option<String>,
    pub cpus: Option<u64>,
    /// As Slurm writes it: `500M`, `32G`.
    pub memory: Option<String>,
    pub gpus: Option<u64>,
    /// Further arguments for `sbatch`.
    pub arguments: Vec<String>,
}

impl Default for SlurmConfig {
    fn default() -> Self {
        Self {
            every: SlurmAsks::default(),
            stage: BTreeMap::new(),
            attempts: NonZeroU32::MIN.saturating_add(2),
            call_timeout: NonZeroU32::MIN.saturating_add(19),
        }
    }
}

impl ExecutorConfig {
    pub(super) fn read(
        mut reader: TableReader<'_, '_>,
        document: &mut Document<'_>,
    ) -> Result<Self, ProjectError> {
        let kind = reader
            .choice(document, "use", &EXECUTORS)?
            .unwrap_or_default();
        let slurm = SlurmConfig::read(reader.table(document, "slurm")?, document)?;
        reader.finish(document);
        Ok(Self { kind, slurm })
    }
}

impl SlurmConfig {
    fn read(
        mut reader: TableReader<'_, '_>,
        document: &mut Document<'_>,
    ) -> Result<Self, ProjectError> {
        let usual = Self::default();
        let every = SlurmAsks::read(&mut reader, document)?;
        let attempts = from_one(&mut reader, document, "attempts")?;
        let call_timeout = from_one(&mut reader, document, "call_timeout")?;
        let mut stage = BTreeMap::new();
        for (name, mut reader) in reader.tables(document, "stage")? {
            stage.insert(name, SlurmAsks::read(&mut reader, document)?);
            reader.finish(document);
        }
        reader.finish(document);
        Ok(Self {
            every,
            stage,
            attempts: attempts.unwrap_or(usual.attempts),
            call_timeout: call_timeout.unwrap_or(usual.call_timeout),
        })
    }
}

impl SlurmAsks {
    fn read(
        reader: &mut TableReader<'_, '_>,
        document: &Document<'_>,
    ) -> Result<Self, ProjectError> {
        Ok(Self {
            partition: reader.string(document, "partition")?,
            account: reader.string(document, "account")?,
            time: reader.string(document, "time")?,
            cpus: reader.count(document, "cpus")?,
            memory: reader.string(document, "memory")?,
            gpus: reader.count(document, "gpus")?,
            arguments: reader.strings(document, "arguments")?,
        })
    }
}

fn from_one(
    reader: &mut TableReader<'_, '_>,
    document: &Document<'_>,
    key: &'static str,
) -> Result<Option<NonZeroU32>, ProjectError> {
    let offset = reader.offset_of(key);
    let Some(count) = reader.count(document, key)? else {
        return Ok(None);
    };
    let message = || format!("`{}` must be a whole number from 1 up", reader.dotted(key));
    let count = u32::try_from(count).ok().and_then(NonZeroU32::new);
    count
        .map(Some)
        .ok_or_else(|| document.error(offset, message(), None))
}
