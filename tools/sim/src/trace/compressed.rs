//! Opening files that may be compressed: zstd and gzip are told by their first bytes, not their names.

use super::error::TraceFault;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Decoded bytes of a trace, of which the head can be looked at before reading on.
pub(super) type Reader = BufReader<Box<dyn Read>>;

/// Opens a file and undoes its compression, if any.
pub(super) fn open(path: &Path) -> Result<Reader, TraceFault> {
    let file = File::open(path).map_err(TraceFault::Open)?;
    decode(BufReader::with_capacity(BUFFER, file)).map_err(TraceFault::Open)
}

/// Undoes the compression, if any.
pub(super) fn decode(mut raw: impl BufRead + 'static) -> io::Result<Reader> {
    let head = raw.fill_buf()?;
    let decoded: Box<dyn Read> = if head.starts_with(&ZSTD_MAGIC) {
        Box::new(zstd::stream::read::Decoder::with_buffer(raw)?)
    } else if head.starts_with(&GZIP_MAGIC) {
        Box::new(MultiGzDecoder::new(raw))
    } else {
        Box::new(raw)
    };
    Ok(BufReader::with_capacity(BUFFER, decoded))
}

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BUFFER: usize = 1 << 17;
