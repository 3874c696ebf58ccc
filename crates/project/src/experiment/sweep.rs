//! Several values of a parameter at once, as Hydra's basic sweeper has them.

use super::{ExperimentError, ParameterOverride};
use crate::ProjectError;

/// A sweep may not make more experiments than this.
const MOST: usize = 10_000;

/// The sets of changes that the texts of a command line stand for: every combination of their
/// values, the last text's changing fastest. `NAME=1,2`, `NAME=choice(1,2)` and `NAME=range(1,9,2)`
/// (the end is not among them) have several; brackets and quotes keep a comma from parting values.
///
/// # Errors
///
/// When a text sets nothing, a range is none, or there are more than 10,000 combinations.
pub fn parameter_sweep(texts: &[String]) -> Result<Vec<Vec<ParameterOverride>>, ProjectError> {
    let mut sets = vec![Vec::new()];
    for text in texts {
        let choices = choices(text)?;
        if sets.len().saturating_mul(choices.len()) > MOST {
            return Err(ExperimentError::SweepTooLarge { most: MOST }.into());
        }
        sets = sets
            .iter()
            .flat_map(|set: &Vec<ParameterOverride>| {
                choices.iter().map(move |choice| {
                    let mut set = set.clone();
                    set.push(choice.clone());
                    set
                })
            })
            .collect();
    }
    Ok(sets)
}

/// One change for each value.
fn choices(text: &str) -> Result<Vec<ParameterOverride>, ProjectError> {
    let Some((name, values)) = text.split_once('=') else {
        return Ok(vec![ParameterOverride::parse(text)?]);
    };
    let wrong = || ExperimentError::Override {
        text: text.to_owned(),
    };
    let call = |function: &str| {
        let inside = values.trim().strip_prefix(function)?;
        inside.strip_prefix('(')?.strip_suffix(')')
    };
    let values = if let Some(inside) = call("range") {
        range(inside).ok_or_else(wrong)?
    } else if let Some(inside) = call("choice") {
        parted(inside).map(str::to_owned).collect()
    } else if call("interval").is_some() || call("glob").is_some() {
        return Err(wrong().into());
    } else {
        parted(values).map(str::to_owned).collect()
    };
    let changes = values
        .iter()
        .map(|value| ParameterOverride::parse(&format!("{name}={value}")));
    changes.collect()
}

/// The texts between the commas that no bracket or quote is around.
fn parted(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let mut quote = None;
    text.split(move |character| {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') => return depth == 0,
            (None, _) => {}
        }
        false
    })
    .map(str::trim)
}

/// Numbers from the first up to, but without, the second, by steps of the third; one number alone
/// is the end, and zero the beginning.
fn range(inside: &str) -> Option<Vec<String>> {
    let numbers: Vec<f64> = inside
        .split(',')
        .map(|number| number.trim().parse().ok())
        .collect::<Option<_>>()?;
    let (start, end, step) = match numbers[..] {
        [end] => (0.0, end, 1.0),
        [start, end] => (start, end, 1.0),
        [start, end, step] => (start, end, step),
        _ => return None,
    };
    if step == 0.0 || !numbers.iter().all(|number| number.is_finite()) {
        return None;
    }
    let is_whole = !inside.contains(['.', 'e', 'E']);
    let mut values = Vec::new();
    let mut turn = 0.0;
    loop {
        let value = start + turn * step;
        let is_over = if step > 0.0 {
            value >= end
        } else {
            value <= end
        };
        if is_over || values.len() > MOST {
            return Some(values);
        }
        values.push(if is_whole {
            format!("{value:.0}")
        } else {
            // Steps of 0.1 must not show what binary fractions cannot hold.
            let rounded: f64 = format!("{value:.12}").parse().ok()?;
            format!("{rounded:?}")
        });
        turn += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the first texts stand for these sets of single changes.
    fn check(texts: &[&str], sets: &[&[&str]]) {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        let parse = |text: &&str| ParameterOverride::parse(text).unwrap();
        let sets: Vec<Vec<ParameterOverride>> = sets
            .iter()
            .map(|set| set.iter().map(parse).collect())
            .collect();
        assert_eq!(parameter_sweep(&texts).unwrap(), sets, "{texts:?}");
    }

    #[test]
    fn every_combination_is_made_the_last_changing_fastest() {
        check(
            &["lr=0.1,0.2", "conf.yaml:depth=choice(2, 3)", "+net=[1,2]"],
            &[
                &["lr=0.1", "conf.yaml:depth=2", "+net=[1,2]"],
                &["lr=0.1", "conf.yaml:depth=3", "+net=[1,2]"],
                &["lr=0.2", "conf.yaml:depth=2", "+net=[1,2]"],
                &["lr=0.2", "conf.yaml:depth=3", "+net=[1,2]"],
            ],
        );
        check(&[], &[&[]]);
        check(&["~lr", "name='a,b'"], &[&["~lr", "name='a,b'"]]);
    }

    #[test]
    fn a_range_ends_before_its_end() {
        check(&["n=range(3)"], &[&["n=0"], &["n=1"], &["n=2"]]);
        check(&["n=range(5,1,-2)"], &[&["n=5"], &["n=3"]]);
        check(
            &["n=range(0.1,0.4,0.1)"],
            &[&["n=0.1"], &["n=0.2"], &["n=0.3"]],
        );
        for text in [
            "n=range(a)",
            "n=range(1,2,0)",
            "n=range()",
            "n=interval(1,2)",
        ] {
            assert!(parameter_sweep(&[text.to_owned()]).is_err(), "{text}");
        }
        let huge = ["n=range(200)".to_owned(), "m=range(200)".to_owned()];
        assert!(parameter_sweep(&huge).is_err());
    }
}
