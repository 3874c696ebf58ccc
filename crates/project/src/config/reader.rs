//! Reading a TOML table key by key, so that every complaint has a line and a column.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigWarning;
use crate::ProjectError;
use crate::suggest::nearest;

/// The text being read and what was found odd in it.
pub(super) struct Document<'i> {
    pub(super) path: &'i Utf8Path,
    pub(super) text: &'i str,
    pub(super) warnings: Vec<ConfigWarning>,
}

impl Document<'_> {
    pub(super) fn error(
        &self,
        offset: usize,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> ProjectError {
        let (line, column) = self.position(offset);
        ProjectError::Config {
            path: self.path.to_owned(),
            line,
            column,
            message: message.into(),
            hint,
        }
    }

    /// Line and column, both from 1, of a byte offset.
    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }
}

/// One table, read key by key. [`TableReader::finish`] warns about what nobody asked for.
pub(super) struct TableReader<'d, 'i> {
    table: Option<&'d DeTable<'i>>,
    /// Dotted, empty for the document.
    name: String,
    offset: usize,
    asked: BTreeSet<&'static str>,
}

impl<'d, 'i> TableReader<'d, 'i> {
    pub(super) fn new(table: Option<&'d DeTable<'i>>, name: String, offset: usize) -> Self {
        Self {
            table,
            name,
            offset,
            asked: BTreeSet::new(),
        }
    }

    /// The table under `key`; absent, an empty one, so that every key takes its default.
    pub(super) fn table(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
    ) -> Result<Self, ProjectError> {
        let name = self.dotted(key);
        match self.value(key) {
            None => Ok(Self::new(None, name, self.offset)),
            Some(value) => table_of(document, value, name),
        }
    }

    /// [`TableReader::table`] where absence means something.
    pub(super) fn optional_table(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
    ) -> Result<Option<Self>, ProjectError> {
        let name = self.dotted(key);
        self.value(key)
            .map(|value| table_of(document, value, name))
            .transpose()
    }

    /// Every table in the table under `key`, by name.
    pub(super) fn tables(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
    ) -> Result<Vec<(String, Self)>, ProjectError> {
        let outer = self.table(document, key)?;
        let Some(table) = outer.table else {
            return Ok(Vec::new());
        };
        let mut tables = Vec::new();
        for (name, value) in table {
            let name = name.get_ref().to_string();
            tables.push((
                name.clone(),
                table_of(document, value, outer.dotted(&name))?,
            ));
        }
        Ok(tables)
    }

    pub(super) fn string(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
    ) -> Result<Option<String>, ProjectError> {
        let name = self.dotted(key);
        self.value(key)
            .map(|value| string_of(document, value, &name))
            .transpose()
    }

    pub(super) fn required_string(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
        example: &str,
    ) -> Result<String, ProjectError> {
        self.string(document, key)?
            .ok_or_else(|| self.absent(document, key, example))
    }

    pub(super) fn strings(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
    ) -> Result<Vec<String>, ProjectError> {
        let name = self.dotted(key);
        let Some(items) = self.array(document, key)? else {
            return Ok(Vec::new());
        };
        items
            .iter()
            .map(|item| string_of(document, item, &name))
            .collect()
    }

    /// A path below the project: relative, without `..`.
    pub(super) fn path(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
    ) -> Result<Option<Utf8PathBuf>, ProjectError> {
        let offset = self.offset_of(key);
        let Some(text) = self.string(document, key)? else {
            return Ok(None);
        };
        let path = Utf8PathBuf::from(text);
        let inside = !path.as_str().is_empty()
            && path.components().all(|part| {
                matches!(
                    part,
                    camino::Utf8Component::Normal(_) | camino::Utf8Component::CurDir
                )
            });
        if inside {
            Ok(Some(path))
        } else {
            let message = format!(
                "`{}` is `{path}`, which is not in the project",
                self.dotted(key)
            );
            let hint = "give a path relative to the project's root, without `..`".to_owned();
            Err(document.error(offset, message, Some(hint)))
        }
    }

    pub(super) fn required_path(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
        example: &str,
    ) -> Result<Utf8PathBuf, ProjectError> {
        self.path(document, key)?
            .ok_or_else(|| self.absent(document, key, example))
    }

    /// A number that `accepts` takes; `wanted` says which those are.
    pub(super) fn number(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
        wanted: &str,
        accepts: fn(f64) -> bool,
    ) -> Result<Option<f64>, ProjectError> {
        let name = self.dotted(key);
        self.value(key)
            .map(|value| number_of(document, value, &name, wanted, accepts))
            .transpose()
    }

    /// The table under `key` with such a number for every name.
    pub(super) fn number_of_each(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
        wanted: &str,
        accepts: fn(f64) -> bool,
    ) -> Result<BTreeMap<String, f64>, ProjectError> {
        let inner = self.table(document, key)?;
        let entries = inner.table.into_iter().flat_map(DeTable::iter);
        entries
            .map(|(name, value)| {
                let name = name.get_ref();
                let number = number_of(document, value, &inner.dotted(name), wanted, accepts)?;
                Ok((name.to_string(), number))
            })
            .collect()
    }

    pub(super) fn count(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
    ) -> Result<Option<u64>, ProjectError> {
        let name = self.dotted(key);
        self.value(key)
            .map(|value| count_of(document, value, &name))
            .transpose()
    }

    /// The table under `key` with a count for every name.
    pub(super) fn count_of_each(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
    ) -> Result<BTreeMap<String, u64>, ProjectError> {
        let inner = self.table(document, key)?;
        let entries = inner.table.into_iter().flat_map(DeTable::iter);
        entries
            .map(|(name, value)| {
                let name = name.get_ref();
                let count = count_of(document, value, &inner.dotted(name))?;
                Ok((name.to_string(), count))
            })
            .collect()
    }

    pub(super) fn counts(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
    ) -> Result<Option<Vec<u64>>, ProjectError> {
        let name = self.dotted(key);
        let Some(items) = self.array(document, key)? else {
            return Ok(None);
        };
        items
            .iter()
            .map(|item| count_of(document, item, &name))
            .collect::<Result<Vec<_>, _>>()
            .map(Some)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Result<Option<T>, ProjectError> {
        let offset = self.offset_of(key);
        let Some(word) = self.string(document, key)? else {
            return Ok(None);
        };
        if let Some((_, chosen)) = choices.iter().find(|(name, _)| *name == word) {
            return Ok(Some(*chosen));
        }
        let names: Vec<String> = choices
            .iter()
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        let message = format!(
            "`{}` is `{word}`, but can only be {}",
            self.dotted(key),
            names.join(" or ")
        );
        let near = nearest(&word, choices.iter().map(|(name, _)| *name));
        Err(document.error(
            offset,
            message,
            near.map(|near| format!("did you mean `{near}`?")),
        ))
    }

    /// Where the value of `key` begins, or the table where it is absent.
    pub(super) fn offset_of(&self, key: &str) -> usize {
        self.table
            .and_then(|table| table.iter().find(|(name, _)| name.get_ref() == key))
            .map_or(self.offset, |(_, value)| value.span().start)
    }

    pub(super) fn dotted(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    /// Warns about every key nobody asked for.
    pub(super) fn finish(self, document: &mut Document<'_>) {
        let Some(table) = self.table else { return };
        for (key, _) in table {
            let text = key.get_ref().as_ref();
            if self.asked.contains(text) {
                continue;
            }
            let (line, column) = document.position(key.span().start);
            document.warnings.push(ConfigWarning {
                key: self.dotted(text),
                line,
                column,
                suggestion: nearest(text, self.asked.iter().copied()).map(|near| self.dotted(near)),
            });
        }
    }

    fn absent(&self, document: &Document<'_>, key: &str, example: &str) -> ProjectError {
        let hint = format!("add `{key} = {example}`");
        document.error(
            self.offset,
            format!("`{}` has no `{key}`", self.name),
            Some(hint),
        )
    }

    fn array(
        &mut self,
        document: &Document<'_>,
        key: &'static str,
    ) -> Result<Option<Vec<&'d Spanned<DeValue<'i>>>>, ProjectError> {
        let name = self.dotted(key);
        match self.value(key) {
            None => Ok(None),
            Some(value) => match value.get_ref() {
                DeValue::Array(items) => Ok(Some(items.iter().collect())),
                other => Err(wrong_type(document, value, &name, "a list", other)),
            },
        }
    }

    fn value(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'i>>> {
        self.asked.insert(key);
        self.table?
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map(|(_, value)| value)
    }
}

fn table_of<'d, 'i>(
    document: &Document<'_>,
    value: &'d Spanned<DeValue<'i>>,
    name: String,
) -> Result<TableReader<'d, 'i>, ProjectError> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(TableReader::new(Some(table), name, value.span().start)),
        other => Err(wrong_type(document, value, &name, "a table", other)),
    }
}

fn string_of(
    document: &Document<'_>,
    value: &Spanned<DeValue<'_>>,
    name: &str,
) -> Result<String, ProjectError> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        other => Err(wrong_type(document, value, name, "text", other)),
    }
}

fn number_of(
    document: &Document<'_>,
    value: &Spanned<DeValue<'_>>,
    name: &str,
    wanted: &str,
    accepts: fn(f64) -> bool,
) -> Result<f64, ProjectError> {
    let number = match value.get_ref() {
        DeValue::Float(float) => float.as_str().parse().ok(),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .map(|whole| whole as f64),
        other => return Err(wrong_type(document, value, name, "a number", other)),
    };
    number.filter(|number| accepts(*number)).ok_or_else(|| {
        let message = format!("`{name}` must be {wanted}");
        document.error(value.span().start, message, None)
    })
}

fn count_of(
    document: &Document<'_>,
    value: &Spanned<DeValue<'_>>,
    name: &str,
) -> Result<u64, ProjectError> {
    match value.get_ref() {
        DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix())
            .map_err(|_| {
                let message = format!("`{name}` must be a whole number from 0 up");
                document.error(value.span().start, message, None)
            }),
        other => Err(wrong_type(document, value, name, "a whole number", other)),
    }
}

fn wrong_type(
    document: &Document<'_>,
    value: &Spanned<DeValue<'_>>,
    name: &str,
    wanted: &str,
    found: &DeValue<'_>,
) -> ProjectError {
    let message = format!(
        "`{name}` must be {wanted}, but is of type {}",
        found.type_str()
    );
    document.error(value.span().start, message, None)
}
