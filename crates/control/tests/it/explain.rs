//! The chain from a prediction to what it came from.

use ketch_control::{ControlError, why};
use ketch_serving::{FeatureValue, Variant};

use crate::{
    fixture::{Fixture, Setup, id, label, names, serve, serve_and_label},
    stream::Stream,
};

#[test]
fn the_chain_of_a_champions_prediction() {
    let fixture = Fixture::new(Setup::default());
    let running = fixture.start();
    let rows = Stream::steady(7, 2).rows();
    serve(&running.handle, &rows[0]);
    running.handle.endpoint().sync().unwrap();

    let unlabelled = why(&fixture.open(), &id(&rows[0])).unwrap();
    assert_eq!(unlabelled.label, None);
    label(&running.handle, &rows[0]);
    let chain = why(&fixture.open(), &id(&rows[0])).unwrap();
    assert_eq!(chain.label, Some(rows[0].label));
    assert_eq!(chain.model, "turn");
    assert_eq!(chain.prediction.variant, Variant::Champion);
    assert_eq!(chain.prediction.observed_at, Some(0.0));
    let [x0, x1] = rows[0].features.map(|value| f64::from(value as f32));
    assert_eq!(
        chain.inputs,
        [
            ("x0".to_owned(), FeatureValue::Number(x0)),
            ("x1".to_owned(), FeatureValue::Number(x1))
        ]
    );
    assert_eq!((chain.version.version, chain.version.champion), (1, true));
    assert_eq!(chain.version.source, "model.onnx");
    assert_eq!(chain.run.name, "first");
    assert!(
        chain
            .run
            .params
            .contains(&("train.flip".to_owned(), "0".to_owned())),
        "{:?}",
        chain.run.params
    );
    assert_eq!(chain.run.metrics, [("rows".to_owned(), 0.0)]);
    let lineage = chain.run.lineage.unwrap();
    assert_eq!(lineage.stage.as_deref(), Some("train"));
    assert_eq!(lineage.command, "sh train.sh");
    assert_eq!(
        lineage.commit.unwrap().to_string(),
        fixture.git(&["rev-parse", "HEAD"]).trim()
    );
    let artifact = lineage
        .outputs
        .iter()
        .find(|output| output.path == "model.onnx")
        .unwrap();
    assert_eq!(artifact.md5.to_string(), chain.version.digest);
    assert_eq!(names(&chain.events), ["released"]);

    let unknown = why(&fixture.open(), "row-1").unwrap_err();
    assert!(
        matches!(&unknown, ControlError::UnknownRequest { request } if request == "row-1"),
        "{unknown}"
    );
    running.stop();
}

#[test]
fn the_chain_of_a_canarys_prediction() {
    let fixture = Fixture::new(Setup::default());
    fixture.register_flipped();
    let running = fixture.start();
    let rows = Stream::steady(8, 300).rows();
    running.feed(&rows[..50]);
    running
        .handle
        .deploy(2, "mallory", Some("trust me"))
        .unwrap();
    let canary = rows[50..]
        .iter()
        .find(|row| serve_and_label(&running.handle, row).variant == Variant::Canary)
        .unwrap();
    let chain = why(&fixture.open(), &id(canary)).unwrap();
    assert_eq!((chain.version.version, chain.version.champion), (2, false));
    assert_eq!(chain.prediction.rollout.as_deref(), Some("rollout-1"));
    assert_eq!(chain.run.name, "flipped");
    assert!(
        chain
            .run
            .params
            .contains(&("train.flip".to_owned(), "1".to_owned()))
    );
    assert_eq!(
        names(&chain.events),
        ["gate_checked", "gate_overridden", "rollout_started"]
    );
    running.stop();
}
