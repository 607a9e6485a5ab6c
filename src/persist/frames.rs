//! Frames: a stream of bytes, cut into pieces with a checksum each.
//!
//! The number of the frame goes into its checksum, so that frames which were lost, repeated or exchanged are found like bytes that
//! were changed; so does the version of the format, but for the first.

use super::RestoreError;
use std::io::{self, Read, Write};

/// Writes frames.
pub(super) struct FrameWriter<W> {
    writer: W,
    /// Room for the length and the checksum, then the payload.
    frame: Vec<u8>,
    number: u64,
    written: u64,
}

impl<W: Write> FrameWriter<W> {
    pub(super) fn new(mut writer: W) -> io::Result<Self> {
        writer.write_all(MAGIC)?;
        writer.write_all(&VERSION.to_le_bytes())?;
        let written = (MAGIC.len() + size_of_val(&VERSION)) as u64;
        let mut frame = Vec::with_capacity(HEAD + MOST);
        frame.resize(HEAD, 0);
        Ok(Self { writer, frame, number: 0, written })
    }

    pub(super) fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(HEAD + MOST - self.frame.len()));
            self.frame.extend_from_slice(now);
            bytes = later;
            if self.frame.len() == HEAD + MOST {
                self.end_frame()?;
            }
        }
        Ok(())
    }

    /// Writes what is left, and the end. Returns the number of bytes written.
    pub(super) fn end(mut self) -> io::Result<u64> {
        if self.frame.len() > HEAD {
            self.end_frame()?;
        }
        self.end_frame()?;
        self.writer.flush()?;
        Ok(self.written)
    }

    fn end_frame(&mut self) -> io::Result<()> {
        let (head, payload) = self.frame.split_at_mut(HEAD);
        let len = payload.len() as u32;
        let sum = checksum(VERSION, self.number, len, payload);
        head[..4].copy_from_slice(&len.to_le_bytes());
        head[4..].copy_from_slice(&sum.to_le_bytes());
        self.writer.write_all(&self.frame)?;
        self.written += self.frame.len() as u64;
        self.number += 1;
        self.frame.truncate(HEAD);
        Ok(())
    }
}

/// Reads frames, each verified before it is looked at.
pub(super) struct FrameReader<R> {
    reader: R,
    payload: Vec<u8>,
    /// How much of the payload has been read.
    position: usize,
    number: u64,
    ended: bool,
    version: u32,
}

impl<R: Read> FrameReader<R> {
    pub(super) fn new(mut reader: R) -> Result<Self, RestoreError> {
        let mut magic = [0; MAGIC.len()];
        reader.read_exact(&mut magic)?;
        if magic != *MAGIC {
            return Err(RestoreError::NotASnapshot);
        }
        let version = read_u32(&mut reader)?;
        if !(FIRST_VERSION..=VERSION).contains(&version) {
            return Err(RestoreError::OtherVersion { found: version });
        }
        Ok(Self { reader, payload: Vec::new(), position: 0, number: 0, ended: false, version })
    }

    /// The version of the format.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// Fills `bytes`.
    pub(super) fn take(&mut self, bytes: &mut [u8]) -> Result<(), RestoreError> {
        let mut filled = 0;
        while filled < bytes.len() {
            let now = self.available(bytes.len() - filled)?;
            bytes[filled..filled + now.len()].copy_from_slice(now);
            filled += now.len();
        }
        Ok(())
    }

    /// Appends `len` bytes. Takes memory for what is there, not for what `len` claims.
    pub(super) fn append(&mut self, len: u64, bytes: &mut Vec<u8>) -> Result<(), RestoreError> {
        let mut left = len;
        while left > 0 {
            let now = self.available(usize::try_from(left).unwrap_or(usize::MAX))?;
            bytes.extend_from_slice(now);
            left -= now.len() as u64;
        }
        Ok(())
    }

    /// Sees to it that nothing comes but the end.
    pub(super) fn end(&mut self) -> Result<(), RestoreError> {
        if self.position < self.payload.len() {
            return Err(RestoreError::Corrupt);
        }
        self.next_frame()?;
        if self.ended { Ok(()) } else { Err(RestoreError::Corrupt) }
    }

    /// Between 1 and `most` bytes.
    fn available(&mut self, most: usize) -> Result<&[u8], RestoreError> {
        if self.position == self.payload.len() {
            self.next_frame()?;
            if self.ended {
                return Err(RestoreError::Corrupt);
            }
        }
        let begin = self.position;
        self.position = self.payload.len().min(begin.saturating_add(most));
        Ok(&self.payload[begin..self.position])
    }

    fn next_frame(&mut self) -> Result<(), RestoreError> {
        let len = read_u32(&mut self.reader)?;
        let wanted = read_u32(&mut self.reader)?;
        if len as usize > MOST {
            return Err(RestoreError::Corrupt);
        }
        self.payload.resize(len as usize, 0);
        self.position = 0;
        self.reader.read_exact(&mut self.payload)?;
        if checksum(self.version, self.number, len, &self.payload) != wanted {
            self.payload.clear();
            return Err(RestoreError::Corrupt);
        }
        self.number += 1;
        self.ended = len == 0;
        Ok(())
    }
}

fn read_u32(reader: &mut impl Read) -> Result<u32, RestoreError> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn checksum(version: u32, number: u64, len: u32, payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    if version > 1 {
        crc.update(&version.to_le_bytes());
    }
    crc.update(&number.to_le_bytes());
    crc.update(&len.to_le_bytes());
    crc.update(payload);
    crc.finalize()
}

const MAGIC: &[u8; 8] = b"TOLLGATE";
/// What is written. All from the first are read.
const VERSION: u32 = 2;
const FIRST_VERSION: u32 = 1;
/// A length and a checksum, of four bytes each.
const HEAD: usize = 8;
/// The longest payload.
const MOST: usize = 1 << 16;
