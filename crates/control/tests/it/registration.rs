//! What can be registered: a model of which a commit holds all that made it.

use jiff::Timestamp;
use ketch_control::{ControlError, RegisterOptions, list_versions, register};

use crate::fixture::{Fixture, MODEL, Setup};

fn try_to_register(fixture: &Fixture) -> ControlError {
    let options = RegisterOptions {
        model: MODEL,
        run_name: "by hand",
        user: "anna",
        started_at: Timestamp::UNIX_EPOCH,
        ended_at: Timestamp::UNIX_EPOCH,
    };
    let tracking = fixture.tracking();
    let error = register(&fixture.open(), &tracking, &options).unwrap_err();
    let versions = list_versions(&tracking, MODEL).unwrap();
    assert_eq!(versions.len(), 1, "nothing was registered");
    assert!(error.hint().unwrap().contains("git commit"), "{error}");
    error
}

#[test]
fn a_model_that_cannot_be_traced_back_is_not_registered() {
    let fixture = Fixture::new(Setup::default());
    let params = fs_err::read_to_string(fixture.root.join("params.yaml")).unwrap();
    fs_err::write(fixture.root.join("params.yaml"), params + "more: 1\n").unwrap();
    let error = try_to_register(&fixture);
    assert!(error.to_string().contains("`params.yaml`"), "{error}");
    assert!(
        matches!(error, ControlError::Uncommitted { .. }),
        "{error:?}"
    );

    fixture.git(&["checkout", "--quiet", "params.yaml"]);
    fixture.git(&["rm", "--quiet", "--cached", "dvc.lock"]);
    let name = ["-c", "user.name=Test", "-c", "user.email=test@example.org"];
    let commit = ["commit", "--quiet", "-m", "Forget the lock"];
    fixture.git(&[&name[..], &commit].concat());
    let error = try_to_register(&fixture);
    assert!(
        matches!(&error, ControlError::Untracked { file } if file == "dvc.lock"),
        "{error:?}"
    );

    fixture.git(&["update-ref", "-d", "HEAD"]);
    let error = try_to_register(&fixture);
    assert!(matches!(error, ControlError::NothingCommitted), "{error:?}");
}
