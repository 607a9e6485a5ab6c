//! Opening files that may be compressed: zstd and gzip are told by their first bytes, not their names. `-` is standard input.

use super::error::TraceFault;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Decoded bytes of a trace, of which the head can be looked at before reading on.
pub(super) type Reader = BufReader<Box<dyn Read>>;

/// Opens a file and undoes its compression, if any.
pub(super) fn open(path: &Path) -> Result<Reader, TraceFault> {
    let file: Box<dyn Read> = match path.as_os_str() == STANDARD_INPUT {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path).map_err(TraceFault::Open)?),
    };
    decode(BufReader::with_capacity(BUFFER, Whole::new(file))).map_err(TraceFault::Open)
}

/// Whether what is read from a path is gone, as from a pipe, so that it cannot be looked at first and read again.
pub(super) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == STANDARD_INPUT
        || path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Undoes the compression, if any.
pub(super) fn decode(mut raw: impl BufRead + 'static) -> io::Result<Reader> {
    let head = raw.fill_buf()?;
    // The second is a frame to be skipped, with which parallel compressors begin.
    let is_zstd =
        head.starts_with(&ZSTD_MAGIC) || head.get(1..4) == Some(&SKIPPED_MAGIC) && head[0] & 0xf0 == 0x50;
    let decoded: Box<dyn Read> = if is_zstd {
        Box::new(zstd::stream::read::Decoder::with_buffer(raw)?)
    } else if head.starts_with(&GZIP_MAGIC) {
        Box::new(MultiGzDecoder::new(raw))
    } else {
        Box::new(raw)
    };
    Ok(BufReader::with_capacity(BUFFER, Box::new(Whole::new(decoded)) as Box<dyn Read>))
}

/// Reads until the buffer is full: what comes through a pipe comes in pieces, and the head is to be looked at as a whole.
struct Whole<R> {
    inner: R,
    /// What went wrong behind what was read.
    fault: Option<io::Error>,
}

impl<R> Whole<R> {
    fn new(inner: R) -> Self {
        Self { inner, fault: None }
    }
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let mut filled = 0;
        while filled < buffer.len() {
            match self.inner.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) if filled == 0 => return Err(fault),
                Err(fault) => {
                    self.fault = Some(fault);
                    break;
                }
            }
        }
        Ok(filled)
    }
}

pub(super) const STANDARD_INPUT: &str = "-";
const SKIPPED_MAGIC: [u8; 3] = [0x2a, 0x4d, 0x18];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BUFFER: usize = 1 << 17;
