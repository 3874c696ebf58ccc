//! The ONNX messages this crate reads, decoded from the wire and nothing more.
//!
//! Field numbers are those of the ONNX project's `onnx.proto` (IR version 13). Unknown fields are
//! skipped, as protobuf asks; fields that would change what a model computes are refused.

use crate::error::{Failure, ModelError, shown};
use crate::limits::{Limits, checked_product};
use crate::tensor::{ElementType, Tensor, Values};
use crate::wire::{Field, Reader, malformed};

/// `ModelProto`
#[derive(Debug, Default)]
pub(crate) struct ModelMessage<'a> {
    pub(crate) ir_version: i64,
    pub(crate) producer_name: &'a str,
    pub(crate) producer_version: &'a str,
    pub(crate) opset_imports: Vec<(&'a str, i64)>,
    pub(crate) metadata: Vec<(&'a str, &'a str)>,
    pub(crate) graph: Option<GraphMessage<'a>>,
}

/// `GraphProto`; tensors stay undecoded until the operators are known to be supported.
#[derive(Debug, Default)]
pub(crate) struct GraphMessage<'a> {
    pub(crate) nodes: Vec<NodeMessage<'a>>,
    pub(crate) initializers: Vec<Reader<'a>>,
    pub(crate) inputs: Vec<ValueMessage<'a>>,
    pub(crate) outputs: Vec<ValueMessage<'a>>,
}

/// `NodeProto`
#[derive(Debug, Default)]
pub(crate) struct NodeMessage<'a> {
    pub(crate) name: &'a str,
    pub(crate) operator: &'a str,
    pub(crate) domain: &'a str,
    pub(crate) inputs: Vec<&'a str>,
    pub(crate) outputs: Vec<&'a str>,
    pub(crate) attributes: Vec<Reader<'a>>,
}

/// `ValueInfoProto` of a tensor; `shape` is `None` when the model does not say.
#[derive(Debug, Default)]
pub(crate) struct ValueMessage<'a> {
    pub(crate) name: &'a str,
    pub(crate) element_type: i64,
    pub(crate) shape: Option<Vec<Option<usize>>>,
}

/// `AttributeProto`'s value
#[derive(Debug)]
pub(crate) enum Attribute<'a> {
    Float(f32),
    Integer(i64),
    Text(&'a [u8]),
    Tensor(Tensor),
    Floats(Vec<f32>),
    Integers(Vec<i64>),
    Texts(Vec<&'a [u8]>),
}

impl<'a> ModelMessage<'a> {
    pub(crate) fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, ModelError> {
        let mut model = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => model.ir_version = field.integer()?,
                2 => model.producer_name = field.text()?,
                3 => model.producer_version = field.text()?,
                7 if model.graph.is_some() => {
                    return Err(malformed("a second graph", field.offset));
                }
                7 => model.graph = Some(GraphMessage::read(field.message()?, limits)?),
                8 => model.opset_imports.push(read_opset(field.message()?)?),
                14 => model.metadata.push(read_pair(field.message()?)?),
                25 => return Err(unsupported("a model with functions of its own")),
                _ => {}
            }
        }
        Ok(model)
    }
}

fn read_opset(mut reader: Reader<'_>) -> Result<(&str, i64), ModelError> {
    let (mut domain, mut version) = ("", 0);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => domain = field.text()?,
            2 => version = field.integer()?,
            _ => {}
        }
    }
    Ok((domain, version))
}

fn read_pair(mut reader: Reader<'_>) -> Result<(&str, &str), ModelError> {
    let (mut key, mut value) = ("", "");
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => key = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
    }
    Ok((key, value))
}

impl<'a> GraphMessage<'a> {
    fn read(mut reader: Reader<'a>, limits: &Limits) -> Result<Self, ModelError> {
        let mut graph = Self::default();
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => graph.nodes.push(NodeMessage::read(field.message()?)?),
                5 => graph.initializers.push(field.message()?),
                11 => graph.inputs.push(ValueMessage::read(field.message()?)?),
                12 => graph.outputs.push(ValueMessage::read(field.message()?)?),
                15 => return Err(unsupported("a sparse constant")),
                _ => {}
            }
            let most = graph.nodes.len().max(graph.initializers.len());
            if most.max(graph.inputs.len()).max(graph.outputs.len()) > limits.max_nodes {
                return Err(ModelError::Limit {
                    place: "the model file".to_owned(),
                    what: "nodes, constants, inputs or outputs",
                    limit: limits.max_nodes as u64,
                });
            }
        }
        Ok(graph)
    }
}

impl<'a> NodeMessage<'a> {
    fn read(mut reader: Reader<'a>) -> Result<Self, ModelError> {
        let mut node = Self::default();
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => node.inputs.push(field.text()?),
                2 => node.outputs.push(field.text()?),
                3 => node.name = field.text()?,
                4 => node.operator = field.text()?,
                5 => node.attributes.push(field.message()?),
                7 => node.domain = field.text()?,
                _ => {}
            }
        }
        Ok(node)
    }
}

impl<'a> ValueMessage<'a> {
    fn read(mut reader: Reader<'a>) -> Result<Self, ModelError> {
        let mut value = Self::default();
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => value.name = field.text()?,
                2 => {
                    (value.element_type, value.shape) = read_type(field.message()?, 0)?;
                }
                _ => {}
            }
        }
        Ok(value)
    }
}

/// Element type and shape of a `TypeProto`. A sequence of maps, which `ZipMap` puts out, counts
/// as the matrix it is made of.
type TypeAndShape = (i64, Option<Vec<Option<usize>>>);

fn read_type(mut reader: Reader<'_>, depth: usize) -> Result<TypeAndShape, ModelError> {
    const DEEPEST: usize = 4;
    let mut found = (0, None);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => found = read_tensor_type(field.message()?)?,
            4 | 5 | 9 if depth >= DEEPEST => {
                return Err(malformed("types nested too deeply", field.offset));
            }
            // Sequence and optional hold their type in field 1, a map its values' in field 2.
            4 | 9 => found = (read_inner_type(&field, 1, depth)?, None),
            5 => found = (read_inner_type(&field, 2, depth)?, None),
            _ => {}
        }
    }
    Ok(found)
}

fn read_inner_type(outer: &Field<'_>, number: u64, depth: usize) -> Result<i64, ModelError> {
    let mut reader = outer.message()?;
    let mut element_type = 0;
    while let Some(field) = reader.next_field()? {
        if field.number == number {
            (element_type, _) = read_type(field.message()?, depth + 1)?;
        }
    }
    Ok(element_type)
}

fn read_tensor_type(mut reader: Reader<'_>) -> Result<TypeAndShape, ModelError> {
    let mut found = (0, None);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => found.0 = field.integer()?,
            2 => {
                let mut dimensions = Vec::new();
                let mut shape = field.message()?;
                while let Some(field) = shape.next_field()? {
                    if field.number == 1 {
                        dimensions.push(read_dimension(field.message()?)?);
                    }
                }
                found.1 = Some(dimensions);
            }
            _ => {}
        }
    }
    Ok(found)
}

/// A dimension's size; old exporters write 0 or -1 for "any".
fn read_dimension(mut reader: Reader<'_>) -> Result<Option<usize>, ModelError> {
    let mut size = None;
    while let Some(field) = reader.next_field()? {
        if field.number == 1 {
            size = usize::try_from(field.integer()?)
                .ok()
                .filter(|&size| size > 0);
        }
    }
    Ok(size)
}

/// Name and value of an `AttributeProto`.
pub(crate) fn read_attribute<'a>(
    mut reader: Reader<'a>,
    room: &mut usize,
) -> Result<(&'a str, Attribute<'a>), Failure> {
    let (mut name, mut kind) = ("", 0);
    let (mut float, mut integer, mut text, mut tensor) = (None, None, None, None);
    let (mut floats, mut integers, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => name = field.text()?,
            2 => float = Some(field.float()?),
            3 => integer = Some(field.integer()?),
            4 => text = Some(field.bytes()?),
            5 => tensor = Some(field.message()?),
            6 | 11 => return Err(unsupported("a subgraph in an attribute").into()),
            7 => field.floats(&mut floats, *room)?,
            8 => field.integers(&mut integers, *room)?,
            9 if texts.len() >= *room => return Err(too_much(*room).into()),
            9 => texts.push(field.bytes()?),
            10 | 14 | 15 | 22 | 23 => {
                let feature = format!("the kind of attribute `{}`", shown(name));
                return Err(unsupported(&feature).into());
            }
            20 => kind = field.integer()?,
            21 => return Err(unsupported("an attribute that refers to a function's").into()),
            _ => {}
        }
    }
    spend(
        room,
        floats
            .len()
            .saturating_add(integers.len())
            .saturating_add(texts.len()),
    )?;
    // Files of the first IR versions leave the kind out.
    let kind = match kind {
        0 if float.is_some() => 1,
        0 if integer.is_some() => 2,
        0 if text.is_some() => 3,
        0 if tensor.is_some() => 4,
        0 if !floats.is_empty() => 6,
        0 if !integers.is_empty() => 7,
        0 if !texts.is_empty() => 8,
        kind => kind,
    };
    let value = match kind {
        1 => Attribute::Float(float.unwrap_or_default()),
        2 => Attribute::Integer(integer.unwrap_or_default()),
        3 => Attribute::Text(text.unwrap_or_default()),
        4 => {
            let reader = tensor.ok_or_else(|| format!("attribute `{}` is empty", shown(name)))?;
            Attribute::Tensor(read_tensor(reader, room)?.1)
        }
        6 => Attribute::Floats(floats),
        7 => Attribute::Integers(integers),
        8 => Attribute::Texts(texts),
        other => return Err(format!("attribute `{}` has kind {other}", shown(name)).into()),
    };
    Ok((name, value))
}

/// Name and content of a `TensorProto`; refuses data kept elsewhere.
pub(crate) fn read_tensor<'a>(
    mut reader: Reader<'a>,
    room: &mut usize,
) -> Result<(&'a str, Tensor), ModelError> {
    let (mut name, mut number, mut external) = ("", 0, false);
    let mut raw: Option<&[u8]> = None;
    let (mut dimensions, mut integers) = (Vec::new(), Vec::new());
    let (mut floats, mut doubles, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => field.integers(&mut dimensions, 32)?,
            2 => number = field.integer()?,
            3 => return Err(unsupported("a tensor in segments")),
            4 => field.floats(&mut floats, *room)?,
            5 | 7 => field.integers(&mut integers, *room)?,
            6 if texts.len() >= *room => return Err(too_much(*room)),
            6 => texts.push(field.bytes()?),
            8 => name = field.text()?,
            9 => raw = Some(field.bytes()?),
            10 => field.doubles(&mut doubles, *room)?,
            13 => external = true,
            14 => external |= field.integer()? != 0,
            _ => {}
        }
    }
    if external {
        return Err(ModelError::ExternalData {
            tensor: shown(name),
        });
    }
    let element_type = ElementType::from_onnx(number)?;
    let graph_error = |problem: &str| ModelError::Graph {
        problem: format!("constant `{}` {problem}", shown(name)),
    };
    let shape = dimensions
        .iter()
        .map(|&size| usize::try_from(size).ok())
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| graph_error("has a negative dimension"))?;
    let count = checked_product(&shape).ok_or_else(|| graph_error("is too large"))?;
    spend(room, count)?;
    let typed = floats.len() + doubles.len() + integers.len() + texts.len();
    let values = match raw {
        Some(_) if typed > 0 => return Err(graph_error("holds its data twice")),
        Some(raw) => raw_values(raw, element_type)
            .ok_or_else(|| graph_error("has raw data that does not fit its type"))?,
        None => match element_type {
            ElementType::Float32 => Values::Float32(floats),
            ElementType::Float64 => Values::Float64(doubles),
            ElementType::Int64 => Values::Int64(integers),
            ElementType::Int32 => {
                Values::Int32(integers.into_iter().map(|value| value as i32).collect())
            }
            ElementType::Bool => {
                Values::Bool(integers.into_iter().map(|value| value != 0).collect())
            }
            ElementType::String => Values::String(
                texts
                    .into_iter()
                    .map(|text| std::str::from_utf8(text).map(str::to_owned))
                    .collect::<Result<_, _>>()
                    .map_err(|_| graph_error("holds a text that is not UTF-8"))?,
            ),
        },
    };
    if values.len() != count {
        return Err(graph_error(&format!(
            "announces {count} elements and has {}",
            values.len()
        )));
    }
    Ok((name, Tensor::new(&shape, values)?))
}

/// Little-endian elements; `None` when the length does not fit or the type has no raw form.
fn raw_values(raw: &[u8], element_type: ElementType) -> Option<Values> {
    fn each<const N: usize, T>(raw: &[u8], convert: fn([u8; N]) -> T) -> Option<Vec<T>> {
        let (chunks, rest) = raw.as_chunks::<N>();
        rest.is_empty()
            .then(|| chunks.iter().map(|&chunk| convert(chunk)).collect())
    }
    Some(match element_type {
        ElementType::Float32 => Values::Float32(each(raw, f32::from_le_bytes)?),
        ElementType::Float64 => Values::Float64(each(raw, f64::from_le_bytes)?),
        ElementType::Int64 => Values::Int64(each(raw, i64::from_le_bytes)?),
        ElementType::Int32 => Values::Int32(each(raw, i32::from_le_bytes)?),
        ElementType::Bool => Values::Bool(each(raw, |[byte]: [u8; 1]| byte != 0)?),
        ElementType::String => return None,
    })
}

fn spend(room: &mut usize, count: usize) -> Result<(), ModelError> {
    *room = room.checked_sub(count).ok_or_else(|| too_much(*room))?;
    Ok(())
}

fn too_much(room: usize) -> ModelError {
    ModelError::Limit {
        place: "the model file".to_owned(),
        what: "elements in attributes and constants",
        limit: room as u64,
    }
}

fn unsupported(feature: &str) -> ModelError {
    ModelError::UnsupportedFeature {
        feature: feature.to_owned(),
    }
}
