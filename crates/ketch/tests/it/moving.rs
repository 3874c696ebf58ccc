//! The flags of the commands that move data, called by the name of `dvc` beside DVC.

use crate::personality::{
    Step::{Ends, Lines, Same, Write},
    assert_same_answers,
};

#[test]
fn data_from_elsewhere_is_added_as_dvc_does() {
    assert_same_answers(&[
        Ends("init -q"),
        Same("remote add -d st ../store"),
        Write("../ext/f", "f\n"),
        Write("../ext/dir/a", "a\n"),
        Write("sub/x", "x\n"),
        Ends("add ../ext/f"),
        Lines("add -o got ../ext/f"),
        Ends("add -o got ../ext/f"),
        Lines("add -f -o got ../ext/f"),
        Lines("add -o sub ../ext/dir"),
        Lines("add --to-remote ../ext/f"),
        Lines("add --to-remote --remote-jobs 2 -r st -o sub/far ../ext/dir"),
        Same("status"),
        Same("pull sub/far"),
        Ends("add -r st got"),
        Ends("add --remote-jobs 2 got"),
        Ends("add --to-remote a b"),
        Ends("add --glob -o x got"),
        Ends("add --no-commit -o x got"),
        Ends("add --to-remote -r nosuch got"),
        Ends("add -o no/x ../ext/f"),
        Ends("add -o x nosuch"),
        Lines("add -f got"),
        Ends("add -f nosuch"),
    ]);
}
