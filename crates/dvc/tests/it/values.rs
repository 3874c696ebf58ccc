//! Generated YAML values.

use ketch_dvc::yaml::{Key, Value};
use proptest::prelude::*;

/// Texts that are hard to write: indicators, blanks, numbers, dates, long words, breaks.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        prop::sample::select(vec![
            "",
            " ",
            "  ",
            "a",
            "b c",
            ":",
            ": ",
            " #",
            "#",
            "-",
            "- ",
            "?",
            "'",
            "\"",
            "\\",
            "\n",
            "\t",
            "true",
            "null",
            "~",
            "1",
            "0x1F",
            "1e3",
            ".5",
            "2020-01-01",
            "<<",
            "=",
            "[",
            "]",
            "{",
            "}",
            ",",
            "&a",
            "*a",
            "!t",
            "|",
            ">",
            "%",
            "@",
            "`",
            "...",
            "---",
            "é",
            "日本",
            "😀",
            "\u{7}",
            "\u{7f}",
            "\u{a0}",
            "\u{feff}",
            "\r",
            "word word word word word word",
            "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
            "--flag=value ",
            "${x}",
            "\u{85}",
            "\u{2028}",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,12}",
        "[a-z ]{0,60}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat())
}

/// What a scalar can be; no NaN, which equals nothing.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1000_i64..1000).prop_map(Value::Int),
        any::<f64>()
            .prop_filter("NaN", |number| !number.is_nan())
            .prop_map(Value::Float),
        (-100.0..100.0).prop_map(Value::Float),
        text().prop_map(Value::String),
        text().prop_map(Value::String),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        (-12_i64..12).prop_map(Value::Int),
        any::<i64>().prop_map(Value::Int),
        (-100.0..100.0).prop_map(Value::Float),
        any::<f64>()
            .prop_filter("NaN", |number| !number.is_nan())
            .prop_map(Value::Float),
    ]
}

fn key(scalar: Value) -> Key {
    Key::from_scalar(scalar).expect("a scalar")
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Sequence),
            mapping_of(inner),
        ]
    })
}

/// A document: a mapping with at least one key.
pub(crate) fn document() -> impl Strategy<Value = Value> {
    mapping_of(value()).prop_filter("empty", |value| {
        value
            .as_mapping()
            .is_some_and(|entries| !entries.is_empty())
    })
}

fn mapping_of(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    // Python sorts keys only where all are text, or all are numbers.
    let keys = prop_oneof![
        6 => prop::collection::vec(text().prop_map(Key::from), 0..5),
        2 => prop::collection::vec(number().prop_map(key), 0..5),
        1 => prop::collection::vec(scalar().prop_map(key), 0..5),
    ];
    (keys, prop::collection::vec(inner, 5))
        .prop_map(|(keys, values)| Value::Mapping(keys.into_iter().zip(values).collect()))
}
