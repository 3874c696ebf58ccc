//! A harness: what must hold of any bytes that `ssh` gives us.

use super::packet::{extensions, parse_reply, read_packet};

/// Packets one behind the other, as a server sends them.
pub fn sftp(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(body) = read_packet(&mut rest) {
        let _ = extensions(&body);
        let _ = parse_reply(&body);
    }
    // The bodies of packets, whatever the lengths in front of them say.
    let _ = extensions(bytes);
    let _ = parse_reply(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ketch_testkit::{run_within_limits, seeds, with_damage};

    #[test]
    fn the_seeds_are_what_they_are_called() {
        for (name, seed) in seeds("sftp") {
            let mut rest = &*seed;
            extensions(&read_packet(&mut rest).unwrap()).unwrap();
            while !rest.is_empty() {
                let body = read_packet(&mut rest).unwrap();
                parse_reply(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        }
    }

    #[test]
    #[ignore = "started by the test below"]
    fn damage() {
        with_damage(&seeds("sftp"), 20_000, sftp);
    }

    #[test]
    fn damaged_packets_are_read_or_refused() {
        run_within_limits("remote::sftp::fuzzing::tests::damage");
    }
}
