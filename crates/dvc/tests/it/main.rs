//! The formats against recorded output of DVC 3.67.1, against DVC itself, and against themselves.

#[cfg(test)]
mod golden_yaml;
#[cfg(test)]
mod hostile_input;
#[cfg(test)]
mod peer_dvc;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod round_trips;
mod templates;
#[cfg(test)]
mod values;
