//! A node's attributes, taken one by one; what is left at the end was not understood.

use crate::error::{Failure, ModelError, shown};
use crate::message::{Attribute, NodeMessage, read_attribute};
use crate::operator::Registration;
use crate::tensor::Tensor;

/// The newest operator-set versions whose operators have been read for changes of meaning.
const NEWEST_STANDARD: i64 = 28;
const NEWEST_CLASSICAL: i64 = 5;
/// Before version 7, broadcasting followed other rules.
const OLDEST_STANDARD: i64 = 7;

/// What an operator is built from.
#[derive(Debug)]
pub(crate) struct Specification<'a> {
    attributes: Vec<(&'a str, Attribute<'a>)>,
    /// The version of the operator's domain that the model was written for.
    pub(crate) version: i64,
    /// How many inputs the node lists.
    pub(crate) inputs: usize,
}

impl<'a> Specification<'a> {
    pub(crate) fn read(
        node: &NodeMessage<'a>,
        registration: &Registration,
        opsets: &[(&str, i64)],
        room: &mut usize,
    ) -> Result<Self, Failure> {
        let count = node.inputs.len();
        if !registration.inputs.contains(&count) {
            return Err(format!("{count} inputs").into());
        }
        if node.outputs.len() > registration.outputs {
            return Err(format!("{} outputs", node.outputs.len()).into());
        }
        let mut attributes: Vec<(&str, Attribute<'_>)> = Vec::new();
        for &reader in &node.attributes {
            let (name, value) = read_attribute(reader, room)?;
            // Also bounds the search: no operator has as many attributes.
            if attributes.len() >= 64 || attributes.iter().any(|(other, _)| *other == name) {
                return Err(format!("attribute `{}` once more", shown(name)).into());
            }
            attributes.push((name, value));
        }
        Ok(Self {
            attributes,
            version: version(registration.domain, opsets)?,
            inputs: count,
        })
    }

    /// Refuses attributes nobody took: they might change the answer.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        match self.attributes.first() {
            None => Ok(()),
            Some((name, _)) => {
                let feature = format!("attribute `{}`", shown(name));
                Err(ModelError::UnsupportedFeature { feature }.into())
            }
        }
    }

    fn take(&mut self, name: &str) -> Option<Attribute<'a>> {
        let position = self
            .attributes
            .iter()
            .position(|(other, _)| *other == name)?;
        Some(self.attributes.swap_remove(position).1)
    }

    /// Drops an attribute that has no bearing on the answer.
    pub(crate) fn ignore(&mut self, name: &str) {
        let _ = self.take(name);
    }

    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Integer(value)) => Ok(Some(value)),
            Some(_) => Err(not(name, "an integer")),
        }
    }

    pub(crate) fn float(&mut self, name: &str) -> Result<Option<f32>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Float(value)) => Ok(Some(value)),
            Some(_) => Err(not(name, "a number")),
        }
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<&'a str>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Text(value)) => utf8(name, value).map(Some),
            Some(_) => Err(not(name, "a text")),
        }
    }

    pub(crate) fn tensor(&mut self, name: &str) -> Result<Option<Tensor>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Tensor(value)) => Ok(Some(value)),
            Some(_) => Err(not(name, "a tensor")),
        }
    }

    pub(crate) fn floats(&mut self, name: &str) -> Result<Option<Vec<f32>>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Floats(values)) => Ok(Some(values)),
            Some(_) => Err(not(name, "a list of numbers")),
        }
    }

    pub(crate) fn integers(&mut self, name: &str) -> Result<Option<Vec<i64>>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Integers(values)) => Ok(Some(values)),
            Some(_) => Err(not(name, "a list of integers")),
        }
    }

    pub(crate) fn texts(&mut self, name: &str) -> Result<Option<Vec<&'a str>>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Texts(values)) => values
                .into_iter()
                .map(|value| utf8(name, value))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(not(name, "a list of texts")),
        }
    }

    /// An attribute that is 0 or 1.
    pub(crate) fn flag(&mut self, name: &str, default: bool) -> Result<bool, Failure> {
        Ok(self.integer(name)?.map_or(default, |value| value != 0))
    }
}

fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Failure> {
    std::str::from_utf8(bytes)
        .map_err(|_| format!("attribute `{}` holds a text that is not UTF-8", shown(name)).into())
}

fn not(name: &str, expected: &str) -> Failure {
    format!("attribute `{}` is not {expected}", shown(name)).into()
}

fn version(domain: &str, opsets: &[(&str, i64)]) -> Result<i64, Failure> {
    let of_domain =
        |&&(name, _): &&(&str, i64)| name == domain || (domain.is_empty() && name == "ai.onnx");
    let mut versions = opsets.iter().filter(of_domain).map(|&(_, version)| version);
    let shown_domain = if domain.is_empty() { "ai.onnx" } else { domain };
    let version = versions
        .next()
        .ok_or_else(|| format!("the model does not import the operator set `{shown_domain}`"))?;
    if versions.any(|other| other != version) {
        return Err(format!("two versions of the operator set `{shown_domain}`").into());
    }
    let (oldest, newest) = if domain.is_empty() {
        (OLDEST_STANDARD, NEWEST_STANDARD)
    } else {
        (1, NEWEST_CLASSICAL)
    };
    if (oldest..=newest).contains(&version) {
        return Ok(version);
    }
    let feature = format!(
        "version {version} of the operator set `{shown_domain}` (known are {oldest} to {newest})"
    );
    Err(ModelError::UnsupportedFeature { feature }.into())
}
