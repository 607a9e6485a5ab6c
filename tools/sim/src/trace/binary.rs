//! The formats of fixed-size binary records, all little-endian.
//!
//! | format | record |
//! |---|---|
//! | tollgate | `u64 key, u32 size`: 12 bytes |
//! | oracleGeneral (libCacheSim) | `u32 time, u64 object, u32 size, i64 next access`: 24 bytes, packed |

use super::TraceBuilder;
use super::compressed::Reader;
use super::error::TraceFault;
use std::io::{self, Read};

/// Our own format.
pub(super) fn read_tollgate(reader: &mut Reader, trace: &mut TraceBuilder) -> Result<(), TraceFault> {
    let mut record = [0; 12];
    while next_record(reader, &mut record, trace.len())? {
        trace.push(u64_at(&record, 0), u64::from(u32_at(&record, 8)))?;
    }
    Ok(())
}

/// libCacheSim's oracleGeneral. The recorded next accesses are not used: they are derived anew.
pub(super) fn read_oracle_general(reader: &mut Reader, trace: &mut TraceBuilder) -> Result<(), TraceFault> {
    let mut record = [0; 24];
    while next_record(reader, &mut record, trace.len())? {
        trace.push(u64_at(&record, 4), u64::from(u32_at(&record, 12)))?;
    }
    Ok(())
}

/// Fills `record`; `false` at a clean end.
fn next_record(reader: &mut Reader, record: &mut [u8], requests: usize) -> Result<bool, TraceFault> {
    let mut filled = 0;
    while filled < record.len() {
        match reader.read(&mut record[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(TraceFault::Truncated { requests, left: filled, record: record.len() }),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(TraceFault::Read { requests, source }),
        }
    }
    Ok(true)
}

fn u64_at(record: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(record[at..at + 8].try_into().expect("eight bytes"))
}

fn u32_at(record: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(record[at..at + 4].try_into().expect("four bytes"))
}
