//! Tables, sizes and refusals of DVC 3.67.1: `diff --md`, `list`, `du`, `get`, `import`.

use crate::personality::Step::{Commit, Ends, Lines, Remove, Same, Write};
use crate::personality::{Step, assert_same_answers};

const STORY: &[Step] = &[
    Ends("init -q"),
    Write("data/a", "1\n"),
    Write("data/b", "22\n"),
    Write("data/sub/c", "333\n"),
    Write("f.csv", "x,y\n"),
    Ends("add -q data f.csv"),
    Commit,
    Same("diff --md"),
    Ends("diff --targets elsewhere"),
    Write("data/a", "changed\n"),
    Write("data/new", "new\n"),
    Remove("data/b"),
    Same("diff --md"),
    Same("diff --md --show-hash"),
    Ends("add -q data"),
    Commit,
    Same("diff --md HEAD~1 HEAD"),
    Same("diff --md --show-hash HEAD~1"),
    Write("data/new", "changed\n"),
    Write("data/ü", "new\n"),
    Ends("add -q data"),
    Same("diff --md"),
    Same("diff --md --hide-missing"),
    Same("list . data/sub --size"),
    Same("list . f.csv --size --show-hash"),
    Same("list . -R --size"),
    Same("list . --show-hash"),
    Same("list . -R --size --show-hash"),
    Same("list . -T"),
    Same("list . data -T"),
    Lines("list-url data/sub --size"),
    Lines("du ."),
    Lines("du . data"),
    Ends("du . --remote nope"),
    Ends("du --remote nope --rev HEAD ."),
    Ends("list --remote nope ."),
    Ends("get . data --remote nope -o there"),
    Ends("import . data --remote nope -o there"),
    Ends("get . nope -o there"),
    Ends("get . data/nope -o there"),
    Ends("get . data --rev nope -o there"),
    Ends("get nowhere data"),
    Ends("import . nope -o there"),
    Same("get . f.csv -o made/on/the/way"),
    Ends("get . f.csv -o made/on/the/way"),
    Same("get . f.csv -o made/on/the/way -f"),
    Lines("import . f.csv -o imported"),
    Lines("import . f.csv -o recorded --no-exec"),
    Write("../outside/f", "1\n"),
    Lines("import-url ../outside/f from-url"),
    Lines("import-url ../outside/f recorded-url --no-exec"),
    Lines("import-url f.csv from-here"),
    Write("../outside/f", "changed\n"),
    Lines("update from-url.dvc"),
];

#[test]
fn tables_and_refusals_are_dvcs() {
    if let Some(compared) = assert_same_answers(STORY) {
        assert!(compared > 30, "{compared}");
    }
}
