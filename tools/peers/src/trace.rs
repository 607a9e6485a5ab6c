//! Recorded accesses: a zstd stream of little-endian `u64 key, u32 size`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

pub(crate) struct Trace {
    pub(crate) name: String,
    pub(crate) accesses: Vec<(u64, u32)>,
    pub(crate) keys: usize,
    /// The sum of the sizes of all keys, each at its largest.
    pub(crate) footprint: u64,
    pub(crate) largest: u32,
}

const RECORD: usize = 12;
const SUFFIX: &str = ".trc.zst";

impl Trace {
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        zstd::Decoder::new(BufReader::new(File::open(path)?))?.read_to_end(&mut bytes)?;
        let records = bytes.chunks_exact(RECORD);
        if !records.remainder().is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the last record is cut off"));
        }
        let record = |record: &[u8]| {
            let (key, size) = record.split_at(8);
            let size = u32::from_le_bytes(size.try_into().expect("a record has 12 bytes"));
            (u64::from_le_bytes(key.try_into().expect("split at 8")), size.max(1))
        };
        let accesses: Vec<_> = records.map(record).collect();
        let mut sizes: HashMap<u64, u32> = HashMap::new();
        for &(key, size) in &accesses {
            let largest = sizes.entry(key).or_default();
            *largest = size.max(*largest);
        }
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self {
            name: file.trim_end_matches(SUFFIX).to_owned(),
            keys: sizes.len(),
            footprint: sizes.values().map(|&size| u64::from(size)).sum(),
            largest: sizes.values().copied().max().unwrap_or(1),
            accesses,
        })
    }

    pub(crate) fn is_sized(&self) -> bool {
        self.largest > 1
    }
}

/// The traces in a directory, by name.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(SUFFIX))
        .collect();
    paths.sort();
    Ok(paths)
}
