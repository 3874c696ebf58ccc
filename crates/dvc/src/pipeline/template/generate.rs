//! `foreach` and `matrix`: one definition, many stages.

use indexmap::IndexMap;

use super::Resolver;
use super::text::{python_text, scalar_text};
use crate::FormatError;
use crate::schema::Source;
use crate::yaml::{Entry, Key, Node, NodeKind, Value};

use super::super::stage::{ParamSpec, StageSpec};

/// How many stages one definition may make.
const STAGE_LIMIT: usize = 100_000;

/// A stage that is filled in.
pub(in super::super) struct Generated {
    pub(in super::super) entry: Entry,
    /// The name of the `foreach` or `matrix` that makes it.
    pub(in super::super) group: Option<String>,
    /// What its templates named of parameter files.
    pub(in super::super) params: Vec<ParamSpec>,
}

/// A name for each stage to make, and what `item` is for it.
type Items = IndexMap<String, Value>;

/// The stages that one entry of `stages` stands for.
pub(in super::super) fn stages(
    resolver: &Resolver<'_>,
    entry: &Entry,
) -> Result<Vec<Generated>, FormatError> {
    let source = resolver.source;
    let name = entry.key.as_str();
    let mut definition = entry.clone();
    let (items, with_key) = if let Some(data) = entry.value.get("foreach") {
        definition.value = template_of_foreach(source, entry)?;
        foreach_items(resolver, name, data)?
    } else if let Some(data) = entry.value.get("matrix") {
        let entries = source.mapping(&entry.value, name)?;
        let rest = entries.iter().filter(|entry| entry.key != "matrix");
        definition.value = Node::mapping(rest.cloned().collect(), entry.value.span());
        (matrix_items(resolver, name, data)?, true)
    } else {
        if entry.value.get("do").is_some() {
            template_of_foreach(source, entry)?;
        }
        // The types must fit before anything is filled in: as in DVC.
        StageSpec::read(source, entry)?;
        let (entry, params) = resolver.resolve_stage(name, entry, &resolver.context)?;
        return Ok(vec![Generated {
            entry,
            group: None,
            params,
        }]);
    };
    StageSpec::read(source, &definition)?;
    let mut generated = Vec::with_capacity(items.len());
    for (key, item) in &items {
        let mut context = resolver.context.clone();
        context.set_item("item", item);
        if with_key {
            context.set_item("key", &Value::from(key.as_str()));
        }
        let name = format!("{name}@{key}");
        let (entry, params) = resolver.resolve_stage(&name, &definition, &context)?;
        generated.push(Generated {
            entry,
            group: Some(definition.key.to_string()),
            params,
        });
    }
    Ok(generated)
}

/// The `do` of a `foreach`, beside which nothing else may stand.
fn template_of_foreach(source: Source<'_>, entry: &Entry) -> Result<Node, FormatError> {
    let what = format!("stage `{}`", entry.key);
    for item in source.mapping(&entry.value, &entry.key)? {
        if item.key != "foreach" && item.key != "do" {
            return Err(source
                .error(
                    item.key_span,
                    format!("`{}` cannot stand beside `foreach`", item.key),
                )
                .with_hint("put it under `do`"));
        }
    }
    let needed = |key: &str| {
        entry.value.get(key).ok_or_else(|| {
            let message = format!("{what} has no `{key}`");
            source
                .error(entry.key_span, message)
                .with_hint("`foreach` is what to make stages for, `do` the stage")
        })
    };
    needed("foreach")?;
    Ok(needed("do")?.clone())
}

/// What a `foreach` goes over, and whether `key` is set: for a mapping only.
fn foreach_items(
    resolver: &Resolver<'_>,
    name: &str,
    data: &Node,
) -> Result<(Items, bool), FormatError> {
    let node = resolver.node(data, resolver.anything())?;
    let items = match node.kind() {
        NodeKind::Mapping(entries) => {
            let items = entries.iter().map(|entry| {
                let key = scalar_text(&entry.key.to_value()).unwrap_or_default();
                (key, entry.value.to_value())
            });
            (items.collect(), true)
        }
        NodeKind::Sequence(nodes) => {
            let values: Vec<Value> = nodes.iter().map(Node::to_value).collect();
            let composite = values
                .iter()
                .any(|value| matches!(value, Value::Mapping(_) | Value::Sequence(_)));
            let items = values.into_iter().enumerate().map(|(place, value)| {
                let key = if composite {
                    place.to_string()
                } else {
                    name_of(&value, data, place)
                };
                (key, value)
            });
            (items.collect(), false)
        }
        NodeKind::Scalar(value) => {
            let message = format!(
                "`foreach` of stage `{name}` must be a list or a mapping, not {}",
                value.kind_name()
            );
            return Err(resolver.source.error(data.span(), message));
        }
    };
    let items: (Items, bool) = items;
    check_count(resolver.source, data, items.0.len())?;
    Ok(items)
}

/// Every combination of the axes, the last one changing fastest.
fn matrix_items(resolver: &Resolver<'_>, name: &str, data: &Node) -> Result<Items, FormatError> {
    let source = resolver.source;
    let mut axes: Vec<(Key, Vec<(String, Value)>)> = Vec::new();
    for axis in source.mapping(data, "matrix")? {
        if axis.value.items().is_none() && axis.value.as_str().is_none() {
            let message = format!(
                "`{}` in the `matrix` of stage `{name}` must be a list, not {}",
                axis.key,
                axis.value.kind_name()
            );
            return Err(source.error(axis.value.span(), message));
        }
        let resolved = resolver.entry(axis, resolver.anything())?;
        let Some(nodes) = resolved.value.items() else {
            let message = format!(
                "`{}` in the `matrix` of stage `{name}` must be a list, not {}",
                axis.key,
                resolved.value.kind_name()
            );
            return Err(source.error(axis.value.span(), message));
        };
        let values = nodes.iter().map(Node::to_value).enumerate();
        let named = values.map(|(place, value)| {
            let part = match &value {
                Value::Mapping(_) | Value::Sequence(_) => format!("{}{place}", resolved.key),
                scalar => name_of(scalar, &axis.value, place),
            };
            (part, value)
        });
        axes.push((resolved.key.clone(), named.collect()));
    }
    let count = axes.iter().try_fold(1_usize, |count, (_, values)| {
        count.checked_mul(values.len())
    });
    check_count(source, data, count.unwrap_or(usize::MAX))?;
    let mut combinations: Vec<(Vec<&str>, IndexMap<Key, Value>)> = vec![Default::default()];
    for (axis, values) in &axes {
        combinations = combinations
            .iter()
            .flat_map(|(parts, item)| {
                values.iter().map(move |(part, value)| {
                    let mut parts = parts.clone();
                    parts.push(part);
                    let mut item = item.clone();
                    item.insert(axis.clone(), value.clone());
                    (parts, item)
                })
            })
            .collect();
    }
    let items = combinations
        .into_iter()
        .map(|(parts, item)| (parts.join("-"), Value::Mapping(item)));
    Ok(items.collect())
}

/// What a stage is called after a scalar at a place of a list. DVC writes `True` for what a
/// template stands for, and `true` for what stands in `dvc.yaml` itself.
fn name_of(value: &Value, written: &Node, place: usize) -> String {
    let from_template = match written.items() {
        Some(items) => items.get(place).is_some_and(|item| item.as_str().is_some()),
        None => true,
    };
    let text = if from_template {
        python_text(value)
    } else {
        scalar_text(value)
    };
    text.unwrap_or_default()
}

fn check_count(source: Source<'_>, node: &Node, count: usize) -> Result<(), FormatError> {
    if count > STAGE_LIMIT {
        let message = format!("this makes more than {STAGE_LIMIT} stages");
        return Err(source.error(node.span(), message));
    }
    Ok(())
}
