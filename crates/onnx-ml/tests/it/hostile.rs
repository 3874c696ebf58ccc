//! Files nobody vouches for: an error or an answer, never a panic and never a gigabyte.

use ketch_onnx_ml::{Limits, Model, ModelError, Tensor};
use proptest::prelude::*;

use crate::support::{Golden, golden_names};
use crate::writer::{Message, floats, integer, integers, model, node, text, texts, value};

/// Small, so that a mutated size is refused rather than computed.
fn tight() -> Limits {
    let mut limits = Limits::default();
    limits.max_elements = 1 << 16;
    limits.max_run_elements = 1 << 18;
    limits.max_run_steps = 1 << 22;
    limits
}

/// Loads and, if that works, runs on zeros (and NaN) of the declared shapes.
fn load_and_run(bytes: &[u8]) {
    use ketch_onnx_ml::{ElementType, Values};
    let Ok(model) = Model::from_bytes(bytes, &tight()) else {
        return;
    };
    let request: Option<Vec<(&str, Tensor)>> = model
        .inputs()
        .iter()
        .map(|input| {
            let shape: Vec<usize> = input.shape.iter().map(|size| size.unwrap_or(9)).collect();
            let count = shape
                .iter()
                .try_fold(1_usize, |count, &size| count.checked_mul(size))
                .filter(|&count| count < 10_000)?;
            let values = match input.element_type {
                ElementType::Float32 => Values::Float32(
                    (0..count)
                        .map(|at| if at % 5 == 0 { f32::NAN } else { 0.5 })
                        .collect(),
                ),
                ElementType::Float64 => Values::Float64(vec![0.5; count]),
                ElementType::Int64 => Values::Int64(vec![1; count]),
                ElementType::Int32 => Values::Int32(vec![1; count]),
                ElementType::Bool => Values::Bool(vec![true; count]),
                _ => Values::String(vec!["oslo".to_owned(); count]),
            };
            Tensor::new(&shape, values)
                .ok()
                .map(|tensor| (input.name.as_str(), tensor))
        })
        .collect();
    if let Some(request) = request {
        let _ = model.run(&request);
    }
}

/// Golden models of at most 40 kB: quick to load thousands of times.
fn small_models() -> Vec<Vec<u8>> {
    let models: Vec<Vec<u8>> = golden_names()
        .iter()
        .map(|name| Golden::read(name).model)
        .filter(|model| model.len() < 40_000)
        .collect();
    assert!(models.len() > 5);
    models
}

#[test]
fn every_truncation_is_an_error_or_a_model() {
    for bytes in small_models() {
        let step = (bytes.len() / 300).max(1);
        for length in (0..bytes.len()).step_by(step) {
            load_and_run(&bytes[..length]);
        }
    }
}

/// Numbers that are the same on every run and well spread (Knuth's MMIX generator).
fn pseudo_random(state: &mut u64) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

#[test]
fn every_flipped_bit_is_an_error_or_a_model() {
    let mut state = 42;
    for bytes in small_models() {
        for _ in 0..250 {
            let mut mutated = bytes.clone();
            for _ in 0..=pseudo_random(&mut state) % 3 {
                let position = pseudo_random(&mut state) % mutated.len();
                mutated[position] ^= 1 << (pseudo_random(&mut state) % 8);
            }
            load_and_run(&mutated);
        }
        // The ends of a model hold most of its structure.
        for position in
            (0..bytes.len().min(400)).chain(bytes.len().saturating_sub(400)..bytes.len())
        {
            let mut mutated = bytes.clone();
            mutated[position] = mutated[position].wrapping_add(1 + (position % 255) as u8);
            load_and_run(&mutated);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn arbitrary_bytes_are_an_error_or_a_model(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        load_and_run(&bytes);
    }

    #[test]
    fn arbitrary_trees_are_an_error_or_end(
        nodes in prop::collection::vec((0..3_i64, 0..6_i64, 0..6_i64, 0..6_i64, 0..3_i64), 1..12)
    ) {
        let column = |pick: fn(&(i64, i64, i64, i64, i64)) -> i64| -> Vec<i64> {
            nodes.iter().map(pick).collect()
        };
        let modes: Vec<&str> = nodes
            .iter()
            .map(|node| ["LEAF", "BRANCH_LEQ", "BRANCH_NEQ"][node.4 as usize])
            .collect();
        let bytes = tree(&Tree {
            trees: &column(|node| node.0 / 2),
            feature: 0,
            nodes: &column(|node| node.1),
            modes: &modes,
            yes: &column(|node| node.2),
            no: &column(|node| node.3),
            votes: &[(nodes[0].0 / 2, nodes[0].1)],
        });
        load_and_run(&bytes);
    }
}

struct Tree<'a> {
    trees: &'a [i64],
    /// The feature all branches ask for.
    feature: i64,
    nodes: &'a [i64],
    modes: &'a [&'a str],
    yes: &'a [i64],
    no: &'a [i64],
    /// Tree and node of leaves worth 1.
    votes: &'a [(i64, i64)],
}

fn tree(tree: &Tree<'_>) -> Vec<u8> {
    let count = tree.nodes.len();
    let votes = tree.votes.len();
    let column =
        |pick: fn(&(i64, i64)) -> i64| -> Vec<i64> { tree.votes.iter().map(pick).collect() };
    let attributes = [
        integers("nodes_treeids", tree.trees),
        integers("nodes_nodeids", tree.nodes),
        integers("nodes_featureids", &vec![tree.feature; count]),
        floats("nodes_values", &vec![0.0; count]),
        texts("nodes_modes", tree.modes),
        integers("nodes_truenodeids", tree.yes),
        integers("nodes_falsenodeids", tree.no),
        integers("target_treeids", &column(|vote| vote.0)),
        integers("target_nodeids", &column(|vote| vote.1)),
        integers("target_ids", &vec![0; votes]),
        floats("target_weights", &vec![1.0; votes]),
        integer("n_targets", 1),
        text("post_transform", "NONE"),
    ];
    let node = node(
        "ai.onnx.ml",
        "TreeEnsembleRegressor",
        &["X"],
        &["Y"],
        &attributes,
    );
    model(&[node], &[], &[value("Y", 1, Some(1))])
}

fn refusal(bytes: &[u8]) -> String {
    Model::from_bytes(bytes, &Limits::default())
        .unwrap_err()
        .to_string()
}

const BRANCH: &str = "BRANCH_LEQ";

#[test]
fn a_sound_tree_written_by_hand_is_accepted() {
    let bytes = tree(&Tree {
        trees: &[0, 0, 0],
        feature: 0,
        nodes: &[0, 1, 2],
        modes: &[BRANCH, "LEAF", "LEAF"],
        yes: &[1, 0, 0],
        no: &[2, 0, 0],
        votes: &[(0, 2)],
    });
    let model = Model::from_bytes(&bytes, &Limits::default()).unwrap();
    let rows = Tensor::from_f32(&[3, 2], vec![-1.0, 0.0, 1.0, 0.0, f32::NAN, 0.0]).unwrap();
    let answers = model.run(&[("X", rows)]).unwrap();
    assert_eq!(
        answers[0].1.as_f32().unwrap(),
        [0.0, 1.0, 1.0],
        "NaN goes to the false child"
    );
}

#[test]
fn a_tree_in_a_circle_is_refused() {
    let own_root = tree(&Tree {
        trees: &[0, 0],
        feature: 0,
        nodes: &[0, 1],
        modes: &[BRANCH, "LEAF"],
        yes: &[0, 0],
        no: &[1, 0],
        votes: &[],
    });
    assert_eq!(
        refusal(&own_root),
        "node `#0` (TreeEnsembleRegressor): tree 0 runs in a circle"
    );
    let beside_the_root = tree(&Tree {
        trees: &[0; 6],
        feature: 0,
        nodes: &[0, 1, 2, 3, 4, 5],
        modes: &[BRANCH, "LEAF", "LEAF", BRANCH, "LEAF", "LEAF"],
        yes: &[1, 0, 0, 3, 0, 0],
        no: &[2, 0, 0, 4, 0, 0],
        votes: &[],
    });
    assert!(refusal(&beside_the_root).contains("more than one root"));
    let only_a_circle_beside = tree(&Tree {
        trees: &[0; 5],
        feature: 0,
        nodes: &[0, 1, 2, 3, 4],
        modes: &[BRANCH, "LEAF", "LEAF", BRANCH, "LEAF"],
        yes: &[1, 0, 0, 3, 0],
        no: &[2, 0, 0, 4, 0],
        votes: &[],
    });
    assert_eq!(
        refusal(&only_a_circle_beside),
        "node `#0` (TreeEnsembleRegressor): a part of tree 0 runs in a circle"
    );
}

#[test]
fn a_node_with_two_parents_is_refused() {
    let bytes = tree(&Tree {
        trees: &[0; 4],
        feature: 0,
        nodes: &[0, 1, 2, 3],
        modes: &[BRANCH, BRANCH, "LEAF", "LEAF"],
        yes: &[1, 2, 0, 0],
        no: &[2, 3, 0, 0],
        votes: &[],
    });
    assert_eq!(
        refusal(&bytes),
        "node `#0` (TreeEnsembleRegressor): node 2 of tree 0 has two parents (one is 1)"
    );
}

#[test]
fn a_child_that_is_not_there_is_refused() {
    let bytes = tree(&Tree {
        trees: &[0; 2],
        feature: 0,
        nodes: &[0, 1],
        modes: &[BRANCH, "LEAF"],
        yes: &[1, 0],
        no: &[7, 0],
        votes: &[],
    });
    assert!(refusal(&bytes).contains("tree 0 has no node 7"));
}

#[test]
fn a_feature_beyond_the_row_is_refused() {
    let sound = Tree {
        trees: &[0; 3],
        feature: 5,
        nodes: &[0, 1, 2],
        modes: &[BRANCH, "LEAF", "LEAF"],
        yes: &[1, 0, 0],
        no: &[2, 0, 0],
        votes: &[],
    };
    let model = Model::from_bytes(&tree(&sound), &Limits::default()).unwrap();
    let rows = Tensor::from_f32(&[1, 2], vec![0.0; 2]).unwrap();
    assert_eq!(
        model.run(&[("X", rows)]).unwrap_err().to_string(),
        "node `#0` (TreeEnsembleRegressor): 2 features where the trees ask for at least 6"
    );
    let negative = tree(&Tree {
        feature: -1,
        ..sound
    });
    assert!(refusal(&negative).contains("asks for feature -1"));
}

#[test]
fn external_data_is_refused() {
    let entry = Message::default()
        .text(1, "location")
        .text(2, "../../secret");
    for constant in [
        Message::default()
            .integer(1, 2)
            .integer(2, 1)
            .text(8, "c")
            .message(13, &entry),
        Message::default()
            .integer(1, 2)
            .integer(2, 1)
            .text(8, "c")
            .integer(14, 1),
    ] {
        let add = node("", "Add", &["X", "c"], &["Y"], &[]);
        let error = Model::from_bytes(
            &model(&[add], &[constant], &[value("Y", 1, Some(2))]),
            &tight(),
        );
        assert_eq!(
            error.unwrap_err(),
            ModelError::ExternalData {
                tensor: "c".to_owned()
            }
        );
    }
}

fn int64_constant(name: &str, values: &[i64]) -> Message {
    let head = Message::default()
        .integer(1, values.len() as i64)
        .integer(2, 7)
        .text(8, name);
    values
        .iter()
        .fold(head, |tensor, &value| tensor.integer(7, value))
}

#[test]
fn a_few_bytes_cannot_ask_for_gigabytes() {
    let shape = int64_constant("shape", &[1 << 20, 1 << 20, 2]);
    for nodes in [
        vec![node("", "ConstantOfShape", &["shape"], &["Y"], &[])],
        vec![node("", "Expand", &["X", "shape"], &["Y"], &[])],
    ] {
        let bytes = model(&nodes, std::slice::from_ref(&shape), &[value("Y", 1, None)]);
        let model = Model::from_bytes(&bytes, &Limits::default()).unwrap();
        let rows = Tensor::from_f32(&[1, 2], vec![0.0; 2]).unwrap();
        let error = model.run(&[("X", rows)]).unwrap_err();
        assert!(matches!(error, ModelError::Limit { .. }), "{error}");
    }
    // Many small doublings, each allowed, together not.
    let mut nodes = Vec::new();
    let names: Vec<String> = (0..40).map(|step| format!("v{step}")).collect();
    nodes.push(node("", "Identity", &["X"], &[&names[0]], &[]));
    for pair in names.windows(2) {
        nodes.push(node(
            "",
            "Concat",
            &[&pair[0], &pair[0]],
            &[&pair[1]],
            &[integer("axis", 0)],
        ));
    }
    let bytes = model(&nodes, &[], &[value(&names[39], 1, Some(2))]);
    let model = Model::from_bytes(&bytes, &tight()).unwrap();
    let rows = Tensor::from_f32(&[1, 2], vec![0.0; 2]).unwrap();
    let error = model.run(&[("X", rows)]).unwrap_err();
    assert!(matches!(error, ModelError::Limit { .. }), "{error}");
}

#[test]
fn subgraphs_and_unknown_attributes_are_refused() {
    let graph = Message::default()
        .text(1, "body")
        .integer(20, 5)
        .message(6, &Message::default());
    let output = [value("Y", 1, Some(2))];
    let bytes = model(&[node("", "Relu", &["X"], &["Y"], &[graph])], &[], &output);
    assert!(refusal(&bytes).starts_with("a subgraph in an attribute is not supported"));
    let bytes = model(
        &[node("", "Relu", &["X"], &["Y"], &[integer("slope", 2)])],
        &[],
        &output,
    );
    assert_eq!(
        refusal(&bytes),
        "attribute `slope` is not supported by the onnx-ml evaluator"
    );
}

#[test]
fn names_must_be_defined_before_use_and_once() {
    let output = [value("Y", 1, Some(2))];
    let late = [
        node("", "Relu", &["a"], &["Y"], &[]),
        node("", "Relu", &["X"], &["a"], &[]),
    ];
    assert!(refusal(&model(&late, &[], &output)).contains("needs `a`"));
    let twice = [
        node("", "Relu", &["X"], &["Y"], &[]),
        node("", "Relu", &["X"], &["Y"], &[]),
    ];
    assert!(refusal(&model(&twice, &[], &output)).contains("`Y` is defined twice"));
}
