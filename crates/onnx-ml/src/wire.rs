//! The protobuf wire format, read without trust: every length is checked against what is left.
//!
//! Format: Protocol Buffers encoding, wire types 0 (varint), 1 (64 bits), 2 (length-delimited)
//! and 5 (32 bits). Groups (3 and 4) do not occur in ONNX and are refused.

use crate::error::ModelError;

/// A cursor over one message; offsets in errors count from the start of the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    start: usize,
    position: usize,
}

/// One field: its number, its payload, and where in the file it begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    pub(crate) offset: usize,
    payload: Payload<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Payload<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(&'a [u8], usize),
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            start: 0,
            position: 0,
        }
    }

    /// The next field, or `None` at the end of the message.
    pub(crate) fn next_field(&mut self) -> Result<Option<Field<'a>>, ModelError> {
        if self.position >= self.bytes.len() {
            return Ok(None);
        }
        let offset = self.start + self.position;
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 {
            return Err(malformed("field number 0", offset));
        }
        let payload = match key & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(self.array()?),
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length)
                    .map_err(|_| malformed("a length that cannot be", offset))?;
                let start = self.start + self.position;
                Payload::Bytes(self.take(length)?, start)
            }
            5 => Payload::Fixed32(self.array()?),
            other => return Err(malformed(&format!("wire type {other}"), offset)),
        };
        Ok(Some(Field {
            number,
            offset,
            payload,
        }))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ModelError> {
        let left = &self.bytes[self.position..];
        let Some(taken) = left.get(..length) else {
            let problem = format!("{length} bytes announced and {} left", left.len());
            return Err(malformed(&problem, self.start + self.position));
        };
        self.position += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn varint(&mut self) -> Result<u64, ModelError> {
        let offset = self.start + self.position;
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed("a number longer than 64 bits", offset))
    }
}

impl<'a> Field<'a> {
    pub(crate) fn message(&self) -> Result<Reader<'a>, ModelError> {
        let Payload::Bytes(bytes, start) = self.payload else {
            return Err(self.unexpected("a message"));
        };
        Ok(Reader {
            bytes,
            start,
            position: 0,
        })
    }

    pub(crate) fn bytes(&self) -> Result<&'a [u8], ModelError> {
        let Payload::Bytes(bytes, _) = self.payload else {
            return Err(self.unexpected("bytes"));
        };
        Ok(bytes)
    }

    pub(crate) fn text(&self) -> Result<&'a str, ModelError> {
        std::str::from_utf8(self.bytes()?)
            .map_err(|_| malformed("a text that is not UTF-8", self.offset))
    }

    pub(crate) fn integer(&self) -> Result<i64, ModelError> {
        let Payload::Varint(value) = self.payload else {
            return Err(self.unexpected("an integer"));
        };
        Ok(value as i64)
    }

    pub(crate) fn float(&self) -> Result<f32, ModelError> {
        let Payload::Fixed32(bytes) = self.payload else {
            return Err(self.unexpected("a 32-bit number"));
        };
        Ok(f32::from_le_bytes(bytes))
    }

    /// Appends repeated integers, packed or one by one; returns how many.
    pub(crate) fn integers(&self, into: &mut Vec<i64>, most: usize) -> Result<(), ModelError> {
        if let Payload::Varint(value) = self.payload {
            into.push(value as i64);
            return self.at_most(into.len(), most);
        }
        let mut reader = self.message()?;
        // Each number ends in exactly one byte without the continuation bit.
        let count = reader
            .bytes
            .iter()
            .filter(|&&byte| byte & 0x80 == 0)
            .count();
        self.at_most(into.len().saturating_add(count), most)?;
        into.reserve(count);
        while reader.position < reader.bytes.len() {
            into.push(reader.varint()? as i64);
        }
        Ok(())
    }

    /// Appends repeated `float`, packed or one by one.
    pub(crate) fn floats(&self, into: &mut Vec<f32>, most: usize) -> Result<(), ModelError> {
        if let Payload::Fixed32(bytes) = self.payload {
            into.push(f32::from_le_bytes(bytes));
            return self.at_most(into.len(), most);
        }
        let chunks = self.packed::<4>(into.len(), most)?;
        into.extend(chunks.iter().map(|&chunk| f32::from_le_bytes(chunk)));
        Ok(())
    }

    /// Appends repeated `double`, packed or one by one.
    pub(crate) fn doubles(&self, into: &mut Vec<f64>, most: usize) -> Result<(), ModelError> {
        if let Payload::Fixed64(bytes) = self.payload {
            into.push(f64::from_le_bytes(bytes));
            return self.at_most(into.len(), most);
        }
        let chunks = self.packed::<8>(into.len(), most)?;
        into.extend(chunks.iter().map(|&chunk| f64::from_le_bytes(chunk)));
        Ok(())
    }

    fn packed<const N: usize>(
        &self,
        have: usize,
        most: usize,
    ) -> Result<&'a [[u8; N]], ModelError> {
        let (chunks, rest) = self.bytes()?.as_chunks::<N>();
        if !rest.is_empty() {
            return Err(malformed(
                &format!("a list cut inside a {N}-byte number"),
                self.offset,
            ));
        }
        self.at_most(have.saturating_add(chunks.len()), most)?;
        Ok(chunks)
    }

    fn at_most(&self, count: usize, most: usize) -> Result<(), ModelError> {
        if count > most {
            return Err(ModelError::Limit {
                place: format!("the list at byte {}", self.offset),
                what: "elements",
                limit: most as u64,
            });
        }
        Ok(())
    }

    fn unexpected(&self, expected: &str) -> ModelError {
        malformed(
            &format!("field {} is not {expected}", self.number),
            self.offset,
        )
    }
}

pub(crate) fn malformed(problem: &str, offset: usize) -> ModelError {
    ModelError::Malformed {
        problem: problem.to_owned(),
        offset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_the_end_is_refused_with_its_place() {
        let error = Reader::new(&[0x0a, 0x05, 1, 2]).next_field().unwrap_err();
        assert_eq!(
            error.to_string(),
            "not an ONNX model: 5 bytes announced and 2 left at byte 2"
        );
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        let mut bytes = vec![0x08];
        bytes.extend([0xff; 9]);
        bytes.push(0x01);
        assert_eq!(
            Reader::new(&bytes)
                .next_field()
                .unwrap()
                .unwrap()
                .integer()
                .unwrap(),
            -1,
            "ten bytes are the longest a number may take"
        );
        bytes.pop();
        bytes.push(0x02);
        assert!(Reader::new(&bytes).next_field().is_err());
    }

    #[test]
    fn groups_and_field_zero_are_refused() {
        assert!(Reader::new(&[0x0b]).next_field().is_err());
        assert!(Reader::new(&[0x00, 0x00]).next_field().is_err());
    }

    #[test]
    fn packed_and_single_numbers_make_the_same_list() {
        let mut list = Vec::new();
        for bytes in [&[0x08, 0x05][..], &[0x0a, 0x03, 0x06, 0x80, 0x01][..]] {
            Reader::new(bytes)
                .next_field()
                .unwrap()
                .unwrap()
                .integers(&mut list, 9)
                .unwrap();
        }
        assert_eq!(list, [5, 6, 128]);
        let field = Reader::new(&[0x0a, 0x02, 1, 1])
            .next_field()
            .unwrap()
            .unwrap();
        assert!(
            field.integers(&mut list, 4).is_err(),
            "the cap holds before anything is stored"
        );
    }
}
