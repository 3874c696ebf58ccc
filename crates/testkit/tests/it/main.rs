//! The test kit, tested with programs that every Unix has.

#[cfg(test)]
mod forgotten;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod project;
