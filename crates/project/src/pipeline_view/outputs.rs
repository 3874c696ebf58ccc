//! Every output of a project by its place, in DVC's order.

use camino::Utf8Path;
use indexmap::IndexMap;

/// A tree of places. What is in a folder is in the order in which it was put in.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    /// The first is the root of all.
    folders: Vec<Folder>,
    owners: Vec<usize>,
    /// As they were put in: absolute, or a URL.
    places: Vec<String>,
}

#[derive(Debug, Default)]
struct Folder {
    inside: IndexMap<String, usize>,
    output: Option<usize>,
}

impl Outputs {
    pub(super) fn insert(&mut self, place: &Utf8Path, owner: usize) {
        if self.folders.is_empty() {
            self.folders.push(Folder::default());
        }
        let mut at = 0;
        for part in place.components() {
            let next = self.folders.len();
            let Some(folder) = self.folders.get_mut(at) else {
                return;
            };
            at = *folder.inside.entry(part.to_string()).or_insert(next);
            if at == next {
                self.folders.push(Folder::default());
            }
        }
        if let Some(folder) = self.folders.get_mut(at) {
            folder.output = Some(self.owners.len());
            self.owners.push(owner);
            self.places.push(place.to_string());
        }
    }

    /// The step that makes an output.
    pub(super) fn owner(&self, output: usize) -> usize {
        self.owners.get(output).copied().unwrap_or_default()
    }

    pub(super) fn place(&self, output: usize) -> &str {
        self.places.get(output).map_or("", String::as_str)
    }

    /// All, each folder before what is in it.
    pub(super) fn all(&self) -> Vec<usize> {
        let mut found = Vec::new();
        self.collect(0, &mut found);
        found
    }

    /// What a place is in or is, from the outermost, then what is in it.
    pub(super) fn overlapping(&self, place: &Utf8Path) -> Vec<usize> {
        let mut found = Vec::new();
        let mut at = 0;
        for part in place.components() {
            let folder = self.folders.get(at);
            let Some(next) = folder.and_then(|folder| folder.inside.get(part.as_str())) else {
                return found;
            };
            at = *next;
            found.extend(self.folders.get(at).and_then(|folder| folder.output));
        }
        let own = found.len();
        self.collect(at, &mut found);
        // It was there as the last of those around.
        if self
            .folders
            .get(at)
            .is_some_and(|folder| folder.output.is_some())
        {
            found.remove(own);
        }
        found
    }

    fn collect(&self, from: usize, found: &mut Vec<usize>) {
        let mut stack = vec![from];
        while let Some(at) = stack.pop() {
            if let Some(folder) = self.folders.get(at) {
                found.extend(folder.output);
                stack.extend(folder.inside.values().rev());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_meets_what_is_around_it_and_in_it() {
        let mut outputs = Outputs::default();
        for (owner, place) in ["/p/b/y", "/p/a", "/p/b/x/1", "/p/b/x/0"]
            .iter()
            .enumerate()
        {
            outputs.insert(place.as_ref(), owner);
        }
        let meets = |place: &str| outputs.overlapping(place.as_ref());
        assert_eq!(meets("/p/b"), [0, 2, 3]);
        assert_eq!(meets("/p/a/deep"), [1]);
        assert_eq!(meets("/p/b/x/1"), [2]);
        assert_eq!(meets("/p/c"), [0; 0]);
        assert_eq!(outputs.all(), [0, 2, 3, 1]);
        assert_eq!(Outputs::default().all(), [0; 0]);
    }
}
