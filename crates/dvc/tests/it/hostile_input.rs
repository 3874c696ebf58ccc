//! Texts that nobody writes by accident.

use std::fmt::Write as _;

use ketch_dvc::yaml;

fn message(text: &str) -> String {
    yaml::parse(text, "x.yaml").unwrap_err().to_string()
}

#[test]
fn aliases_cannot_grow_without_limit() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    assert!(message(&text).contains("expand to more than 16 MiB"));

    let long = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        "*a, ".repeat(64)
    );
    assert!(message(&long).contains("expand to more than 16 MiB"));
    assert!(message("a: &a [*a]\n").contains("x.yaml:1:"));
}

#[test]
fn nesting_and_size_have_limits() {
    for text in [
        "[".repeat(1000),
        "{a: ".repeat(1000),
        "- ".repeat(1000),
        "? ".repeat(1000),
    ] {
        assert!(message(&text).contains("x.yaml:1:"), "{text}");
    }
    let indented: Vec<_> = (0..200)
        .map(|level| format!("{}k:", " ".repeat(level)))
        .collect();
    let indented = indented.join("\n");
    assert!(yaml::parse(&indented, "x.yaml").is_err());
    let huge = " ".repeat((64 << 20) + 1);
    assert!(message(&huge).contains("64 MiB is the limit"));
}

#[test]
fn other_documents_tags_and_keys_are_refused() {
    for (text, expected) in [
        ("a: 1\n---\nb: 2\n", "a second YAML document"),
        (
            "a: !!python/object:os.system x\n",
            "a tag that DVC does not know",
        ),
        ("a: !local x\n", "a tag that DVC does not know"),
        ("a: !!int x\n", "does not fit its tag"),
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3:1: duplicate key `a`"),
        ("? [1, 2]\n: 3\n", "a key cannot be a list"),
        ("a: *nothing\n", "not valid YAML"),
        ("a: 'x\n", "not valid YAML"),
        ("<<: 3\n", "`<<` takes a mapping"),
        (
            "%YAML 1.1\n---\na: 1\n",
            "`%YAML 1.1` documents are not read",
        ),
    ] {
        assert!(message(text).contains(expected), "{}", message(text));
    }
}

#[test]
fn keys_that_are_no_text_stay_what_they_are() {
    let text = "0x10: a\ntrue: b\n1.50: c\n~: d\n'1': e\n.inf: f\n2020-01-01: g\n";
    let value = yaml::parse(text, "x.yaml").unwrap().to_value();
    let entries = value.as_mapping().unwrap();
    let keys: Vec<_> = entries.keys().map(yaml::Key::as_str).collect();
    assert_eq!(
        keys,
        ["16", "True", "1.5", "None", "1", "inf", "2020-01-01"]
    );
    assert!(!entries.contains_key("16") && entries.contains_key("1"));
    assert_eq!(
        yaml::emit(&value),
        "16: a\ntrue: b\n1.5: c\nnull: d\n'1': e\n.inf: f\n2020-01-01: g\n"
    );
}

#[test]
fn keys_that_python_takes_for_one_are_duplicates() {
    for text in [
        "1: a\n1.0: b\n",
        "true: a\n1: b\n",
        "~: a\nnull: b\n",
        "0x10: a\n16: b\n",
    ] {
        let error = yaml::parse(text, "x.yaml").unwrap_err().to_string();
        assert!(error.contains("duplicate key"), "{error}");
    }
    assert!(yaml::parse("1: a\n'1': b\n", "x.yaml").is_ok());
}

#[test]
fn what_is_not_written_stands_behind_its_mark() {
    let text = "a: # c\nb:\n- \n-\nc:\n  - # d\n  -\nd:\n- - \n  '':\n";
    let text = &text.replace("  '':", "  -");
    let root = yaml::parse(text, "x.yaml").unwrap();
    let before = |node: &yaml::Node| {
        let span = node.span();
        assert_eq!(span.start, span.end);
        text[..span.start].to_owned()
    };
    let items = |key: &str| root.get(key).unwrap().items().unwrap();
    assert_eq!(before(root.get("a").unwrap()), "a:");
    assert_eq!(before(&items("b")[0]), "a: # c\nb:\n-");
    assert_eq!(before(&items("b")[1]), "a: # c\nb:\n- \n-");
    assert!(before(&items("c")[0]).ends_with("c:\n  -"));
    assert!(before(&items("c")[1]).ends_with("# d\n  -"));
    assert!(before(&items("d")[0].items().unwrap()[0]).ends_with("d:\n- -"));
    assert_eq!(
        (
            root.get("b").unwrap().span().line,
            root.get("b").unwrap().span().column
        ),
        (3, 1)
    );
    assert_eq!(
        (
            root.get("c").unwrap().span().line,
            root.get("c").unwrap().span().column
        ),
        (6, 3)
    );
}

#[test]
fn nodes_know_their_place() {
    let text = "é: [1, \"ü\"]\nlist:\n  - k: |\n      text\n    l: plain # c\nend:\n";
    let root = yaml::parse(text, "x.yaml").unwrap();
    let at = |node: &yaml::Node| {
        let span = node.span();
        (&text[span.start..span.end], span.line, span.column)
    };
    assert_eq!(at(root.get("é").unwrap()), ("[1, \"ü\"]", 1, 4));
    assert_eq!(
        at(&root.get("é").unwrap().items().unwrap()[1]),
        ("\"ü\"", 1, 8)
    );
    let item = &root.get("list").unwrap().items().unwrap()[0];
    assert_eq!(at(item.get("l").unwrap()), ("plain", 5, 8));
    assert_eq!((item.span().line, item.span().column), (3, 5));
    assert!(root.get("end").unwrap().is_null());
    let key = &root.entries().unwrap()[1];
    assert_eq!(
        (
            &text[key.key_span.start..key.key_span.end],
            key.key_span.line
        ),
        ("list", 2)
    );
}
