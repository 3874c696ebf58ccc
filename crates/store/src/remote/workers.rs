//! The same work on many objects, a few at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Applies `work` to every item on up to `jobs` threads; results in the order of the items.
///
/// Threads of their own and not rayon's: they wait for a network most of the time. Each works in a
/// part of its own: sorted objects that are neighbours are in the same folder, where two threads
/// would wait for each other.
pub(crate) fn for_each<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let jobs = jobs.clamp(1, items.len().max(1));
    if jobs == 1 {
        return items.iter().map(work).collect();
    }
    let part = items.len().div_ceil(jobs);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let mut mine = Vec::new();
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    if turn >= part * jobs {
                        break;
                    }
                    let index = turn % jobs * part + turn / jobs;
                    // The last parts may be shorter.
                    let Some(item) = items.get(index) else {
                        continue;
                    };
                    mine.push((index, work(item)));
                }
                match done.lock() {
                    Ok(mut done) => done.extend(mine),
                    Err(poisoned) => poisoned.into_inner().extend(mine),
                }
            });
        }
    });
    let mut done = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order() {
        let items: Vec<u32> = (0..100).collect();
        for jobs in [0, 1, 7, 1000] {
            let doubled = for_each(&items, jobs, |item| item * 2);
            assert!(
                doubled
                    .iter()
                    .zip(&items)
                    .all(|(twice, item)| *twice == item * 2)
            );
            assert_eq!(doubled.len(), items.len());
        }
        assert!(for_each(&[], 4, |item: &u32| *item).is_empty());
    }
}
