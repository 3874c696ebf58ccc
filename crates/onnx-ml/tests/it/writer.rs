//! Just enough protobuf to write small models by hand, good ones and bad ones.

pub(crate) fn varint(mut value: u64, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// A message under construction.
#[derive(Default, Clone)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    pub(crate) fn integer(mut self, number: u64, value: i64) -> Self {
        varint(number << 3, &mut self.0);
        varint(value as u64, &mut self.0);
        self
    }

    pub(crate) fn float(mut self, number: u64, value: f32) -> Self {
        varint(number << 3 | 5, &mut self.0);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, number: u64, bytes: &[u8]) -> Self {
        varint(number << 3 | 2, &mut self.0);
        varint(bytes.len() as u64, &mut self.0);
        self.0.extend(bytes);
        self
    }

    pub(crate) fn text(self, number: u64, text: &str) -> Self {
        self.bytes(number, text.as_bytes())
    }

    pub(crate) fn message(self, number: u64, message: &Self) -> Self {
        self.bytes(number, &message.0)
    }
}

pub(crate) fn integers(name: &str, values: &[i64]) -> Message {
    let list = Message::default().text(1, name).integer(20, 7);
    values
        .iter()
        .fold(list, |list, &value| list.integer(8, value))
}

pub(crate) fn floats(name: &str, values: &[f32]) -> Message {
    let list = Message::default().text(1, name).integer(20, 6);
    values
        .iter()
        .fold(list, |list, &value| list.float(7, value))
}

pub(crate) fn texts(name: &str, values: &[&str]) -> Message {
    let list = Message::default().text(1, name).integer(20, 8);
    values.iter().fold(list, |list, value| list.text(9, value))
}

pub(crate) fn text(name: &str, value: &str) -> Message {
    Message::default()
        .text(1, name)
        .integer(20, 3)
        .text(4, value)
}

pub(crate) fn integer(name: &str, value: i64) -> Message {
    Message::default()
        .text(1, name)
        .integer(20, 2)
        .integer(3, value)
}

pub(crate) fn node(
    domain: &str,
    operator: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: &[Message],
) -> Message {
    let mut node = Message::default().text(4, operator).text(7, domain);
    node = inputs.iter().fold(node, |node, input| node.text(1, input));
    node = outputs
        .iter()
        .fold(node, |node, output| node.text(2, output));
    attributes
        .iter()
        .fold(node, |node, attribute| node.message(5, attribute))
}

/// A value of an element type with any number of rows and, if given, a width.
pub(crate) fn value(name: &str, element_type: i64, width: Option<i64>) -> Message {
    let any = Message::default();
    let mut shape = Message::default().message(1, &any);
    if let Some(width) = width {
        shape = shape.message(1, &Message::default().integer(1, width));
    }
    let tensor = Message::default()
        .integer(1, element_type)
        .message(2, &shape);
    Message::default()
        .text(1, name)
        .message(2, &Message::default().message(1, &tensor))
}

/// A model of these nodes, with the input `X` of two `float32` columns.
pub(crate) fn model(nodes: &[Message], constants: &[Message], outputs: &[Message]) -> Vec<u8> {
    let mut graph = nodes
        .iter()
        .fold(Message::default(), |graph, node| graph.message(1, node));
    graph = constants
        .iter()
        .fold(graph, |graph, constant| graph.message(5, constant));
    graph = graph.message(11, &value("X", 1, Some(2)));
    graph = outputs
        .iter()
        .fold(graph, |graph, output| graph.message(12, output));
    let standard = Message::default().text(1, "").integer(2, 17);
    let classical = Message::default().text(1, "ai.onnx.ml").integer(2, 1);
    Message::default()
        .integer(1, 8)
        .message(7, &graph)
        .message(8, &standard)
        .message(8, &classical)
        .0
}
