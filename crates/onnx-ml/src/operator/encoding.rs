//! Categories to numbers and back: `OneHotEncoder`, `LabelEncoder`, `FeatureVectorizer`.

use std::collections::HashMap;

use crate::error::{Failure, shown};
use crate::limits::Budget;
use crate::operator::{Built, Inputs, Operator, Specification};
use crate::tensor::{Tensor, Values};

/// A category as a key: floats by their bits, with one NaN and one zero.
#[derive(Debug)]
enum Keys {
    Texts(HashMap<String, usize>),
    Integers(HashMap<i64, usize>),
    /// Floats of either width, widened, by [`float_key`].
    Floats(HashMap<u64, usize>),
}

fn float_key(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    }
}

/// Each key's position; of equal keys the first counts.
fn positions<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> HashMap<K, usize> {
    let mut map = HashMap::new();
    for (position, key) in keys.enumerate() {
        map.entry(key).or_insert(position);
    }
    map
}

impl Keys {
    fn from_tensor(tensor: &Tensor) -> Self {
        match tensor.values() {
            Values::String(keys) => Self::Texts(positions(keys.iter().cloned())),
            Values::Int64(keys) => Self::Integers(positions(keys.iter().copied())),
            Values::Int32(keys) => Self::Integers(positions(keys.iter().map(|&key| key.into()))),
            Values::Bool(keys) => Self::Integers(positions(keys.iter().map(|&key| key.into()))),
            Values::Float32(keys) => {
                Self::Floats(positions(keys.iter().map(|&key| float_key(key.into()))))
            }
            Values::Float64(keys) => {
                Self::Floats(positions(keys.iter().map(|&key| float_key(key))))
            }
        }
    }

    /// The position of each value's key.
    fn find(&self, values: &Values) -> Result<Vec<Option<usize>>, Failure> {
        let whole = |keys: &HashMap<i64, usize>, value: f64| {
            // A category number is whole; 1.5 is not category 1.
            (value.fract() == 0.0 && value.abs() < 9.0e18)
                .then(|| keys.get(&(value as i64)).copied())
                .flatten()
        };
        Ok(match (self, values) {
            (Self::Texts(keys), Values::String(values)) => values
                .iter()
                .map(|value| keys.get(value).copied())
                .collect(),
            (Self::Integers(keys), Values::Int64(values)) => values
                .iter()
                .map(|value| keys.get(value).copied())
                .collect(),
            (Self::Integers(keys), Values::Int32(values)) => values
                .iter()
                .map(|&value| keys.get(&value.into()).copied())
                .collect(),
            (Self::Integers(keys), Values::Bool(values)) => values
                .iter()
                .map(|&value| keys.get(&value.into()).copied())
                .collect(),
            (Self::Integers(keys), Values::Float32(values)) => values
                .iter()
                .map(|&value| whole(keys, value.into()))
                .collect(),
            (Self::Integers(keys), Values::Float64(values)) => {
                values.iter().map(|&value| whole(keys, value)).collect()
            }
            (Self::Floats(keys), Values::Float32(values)) => values
                .iter()
                .map(|&value| keys.get(&float_key(value.into())).copied())
                .collect(),
            (Self::Floats(keys), Values::Float64(values)) => values
                .iter()
                .map(|&value| keys.get(&float_key(value)).copied())
                .collect(),
            (_, other) => {
                let kind = other.element_type();
                return Err(format!("{kind} values do not have the categories' type").into());
            }
        })
    }
}

#[derive(Debug)]
struct OneHotEncoder {
    categories: Keys,
    count: usize,
    /// Whether an unknown category is all zeros (else it is an error).
    zeros: bool,
}

pub(super) fn one_hot_encoder(specification: &mut Specification<'_>) -> Built {
    let texts = specification.texts("cats_strings")?.unwrap_or_default();
    let integers = specification.integers("cats_int64s")?.unwrap_or_default();
    let zeros = specification.flag("zeros", true)?;
    let (categories, count) = match (texts.is_empty(), integers.is_empty()) {
        (false, true) => (
            Keys::Texts(positions(texts.iter().map(|&text| text.to_owned()))),
            texts.len(),
        ),
        (true, false) => (
            Keys::Integers(positions(integers.iter().copied())),
            integers.len(),
        ),
        _ => return Err("needs categories of one type".into()),
    };
    Ok(Box::new(OneHotEncoder {
        categories,
        count,
        zeros,
    }))
}

impl Operator for OneHotEncoder {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        let mut shape = input.shape().to_vec();
        shape.push(self.count);
        let mut encoded = vec![0.0; budget.allocate(&shape)?];
        let found = self.categories.find(input.values())?;
        for (position, (row, found)) in encoded.chunks_exact_mut(self.count).zip(found).enumerate()
        {
            match found {
                Some(category) => row[category] = 1.0,
                None if self.zeros => {}
                None => return Err(format!("element {position} is of no known category").into()),
            }
        }
        Ok(vec![Tensor::from_f32(&shape, encoded)?])
    }
}

/// A map from keys to values of the same or another type.
#[derive(Debug)]
struct LabelEncoder {
    keys: Keys,
    values: Values,
    /// One value: what unknown keys become.
    default: Values,
}

pub(super) fn label_encoder(specification: &mut Specification<'_>) -> Built {
    if specification.version < 2 {
        return first_label_encoder(specification);
    }
    let mut keys = Vec::new();
    let mut values = Vec::new();
    for (suffix, into) in [("keys", &mut keys), ("values", &mut values)] {
        if let Some(list) = specification.texts(&format!("{suffix}_strings"))? {
            into.push(Values::String(
                list.into_iter().map(str::to_owned).collect(),
            ));
        }
        if let Some(list) = specification.integers(&format!("{suffix}_int64s"))? {
            into.push(Values::Int64(list));
        }
        if let Some(list) = specification.floats(&format!("{suffix}_floats"))? {
            into.push(Values::Float32(list));
        }
        if let Some(tensor) = specification.tensor(&format!("{suffix}_tensor"))? {
            into.push(tensor.into_values());
        }
    }
    let default_text = specification
        .text("default_string")?
        .unwrap_or("_Unused")
        .to_owned();
    let default_integer = specification.integer("default_int64")?.unwrap_or(-1);
    let default_float = specification.float("default_float")?.unwrap_or(-0.0);
    let default_tensor = specification
        .tensor("default_tensor")?
        .map(Tensor::into_values);
    let (Some(keys), Some(values)) = (single(keys), single(values)) else {
        return Err("needs keys of one type and values of one type".into());
    };
    if keys.len() != values.len() {
        return Err(format!("{} keys and {} values", keys.len(), values.len()).into());
    }
    let default = match (default_tensor, &values) {
        (Some(default), values)
            if default.len() == 1 && default.element_type() == values.element_type() =>
        {
            default
        }
        (Some(_), _) => return Err("the default is not one value of the values' type".into()),
        (None, Values::String(_)) => Values::String(vec![default_text]),
        (None, Values::Int64(_)) => Values::Int64(vec![default_integer]),
        (None, Values::Float32(_)) => Values::Float32(vec![default_float]),
        (None, Values::Float64(_)) => Values::Float64(vec![default_float.into()]),
        (None, Values::Int32(_)) => Values::Int32(vec![-1]),
        (None, Values::Bool(_)) => return Err("bool values are not supported".into()),
    };
    let keys = Keys::from_tensor(&Tensor::new(&[keys.len()], keys)?);
    Ok(Box::new(LabelEncoder {
        keys,
        values,
        default,
    }))
}

fn single(mut lists: Vec<Values>) -> Option<Values> {
    if lists.len() == 1 { lists.pop() } else { None }
}

/// Version 1 maps texts to their positions and positions to texts, by the input's type.
#[derive(Debug)]
struct FirstLabelEncoder {
    to_position: LabelEncoder,
    to_text: LabelEncoder,
}

fn first_label_encoder(specification: &mut Specification<'_>) -> Built {
    let classes: Vec<String> = specification
        .texts("classes_strings")?
        .unwrap_or_default()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let default_text = specification
        .text("default_string")?
        .unwrap_or("_Unused")
        .to_owned();
    let default_position = specification.integer("default_int64")?.unwrap_or(-1);
    let numbers: Vec<i64> = (0..).take(classes.len()).collect();
    Ok(Box::new(FirstLabelEncoder {
        to_position: LabelEncoder {
            keys: Keys::Texts(positions(classes.iter().cloned())),
            values: Values::Int64(numbers.clone()),
            default: Values::Int64(vec![default_position]),
        },
        to_text: LabelEncoder {
            keys: Keys::Integers(positions(numbers.into_iter())),
            values: Values::String(classes),
            default: Values::String(vec![default_text]),
        },
    }))
}

impl Operator for FirstLabelEncoder {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        match inputs.required(0)?.values() {
            Values::String(_) => self.to_position.run(inputs, budget),
            _ => self.to_text.run(inputs, budget),
        }
    }
}

impl Operator for LabelEncoder {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        fn pick<T: Clone>(values: &[T], default: &[T], found: &[Option<usize>]) -> Vec<T> {
            found
                .iter()
                .map(|found| {
                    found
                        .map_or(&default[0], |position| &values[position])
                        .clone()
                })
                .collect()
        }
        let input = inputs.required(0)?;
        budget.allocate(input.shape())?;
        let found = self.keys.find(input.values())?;
        let values = match (&self.values, &self.default) {
            (Values::String(values), Values::String(default)) => {
                Values::String(pick(values, default, &found))
            }
            (Values::Int64(values), Values::Int64(default)) => {
                Values::Int64(pick(values, default, &found))
            }
            (Values::Int32(values), Values::Int32(default)) => {
                Values::Int32(pick(values, default, &found))
            }
            (Values::Float32(values), Values::Float32(default)) => {
                Values::Float32(pick(values, default, &found))
            }
            (Values::Float64(values), Values::Float64(default)) => {
                Values::Float64(pick(values, default, &found))
            }
            (values, _) => {
                return Err(format!("{} values are not supported", values.element_type()).into());
            }
        };
        Ok(vec![Tensor::new(input.shape(), values)?])
    }
}

/// Columns side by side, as `float32`, each input cut or padded to its declared width.
#[derive(Debug)]
struct FeatureVectorizer {
    widths: Vec<usize>,
}

pub(super) fn feature_vectorizer(specification: &mut Specification<'_>) -> Built {
    let widths = specification
        .integers("inputdimensions")?
        .unwrap_or_default()
        .into_iter()
        .map(usize::try_from)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "attribute `inputdimensions` has a negative size")?;
    if widths.len() != specification.inputs {
        let (sizes, inputs) = (widths.len(), specification.inputs);
        return Err(format!("{sizes} `{}` for {inputs} inputs", shown("inputdimensions")).into());
    }
    Ok(Box::new(FeatureVectorizer { widths }))
}

impl Operator for FeatureVectorizer {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let tensors = inputs.all()?;
        let rows = tensors[0].rows_and_width()?.0;
        let width = self
            .widths
            .iter()
            .try_fold(0_usize, |sum, &width| sum.checked_add(width))
            .ok_or("the widths are too large")?;
        let mut joined = vec![0.0; budget.allocate(&[rows, width])?];
        let mut start = 0;
        for (tensor, &wanted) in tensors.iter().zip(&self.widths) {
            let (own_rows, own_width) = tensor.rows_and_width()?;
            if own_rows != rows {
                return Err(format!("inputs of {rows} and {own_rows} rows").into());
            }
            let values = tensor.to_f64()?;
            let taken = wanted.min(own_width);
            if taken > 0 {
                let sources = values.chunks_exact(own_width);
                for (row, source) in joined.chunks_exact_mut(width).zip(sources) {
                    for (into, &value) in row[start..start + taken].iter_mut().zip(source) {
                        *into = value as f32;
                    }
                }
            }
            start += wanted;
        }
        Ok(vec![Tensor::from_f32(&[rows, width], joined)?])
    }
}
