//! A block cache in front of a real file: the job this crate was made for.
//!
//! Writes a file of 64 MiB, then reads blocks of it at random, most of them from a hot part, now and then as a
//! long scan, through a cache of 8 MiB. Prints the hit ratio, the bytes that were not read from the file, and the time.
//!
//! `cargo run --release --example block_cache`

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Instant;
use tollgate::Cache;

const BLOCK: usize = 4096;
const BLOCKS: u64 = 16 * 1024;
const BUDGET: u64 = 8 << 20;
const READS: usize = 200_000;

/// A file read by blocks, through a cache with a budget in bytes.
struct BlockFile {
    file: File,
    cache: Cache<u64, Arc<[u8]>>,
    bytes_read: u64,
}

impl BlockFile {
    fn new(file: File) -> Result<Self, Box<dyn std::error::Error>> {
        // Ten counters for each block that fits. Each block is charged what it and its bookkeeping take.
        let counters = 10 * BUDGET as usize / BLOCK;
        let cache = Cache::builder(counters, BUDGET).charge_overhead(true).build()?;
        Ok(Self { file, cache, bytes_read: 0 })
    }

    fn block(&mut self, number: u64) -> io::Result<Arc<[u8]>> {
        if let Some(block) = self.cache.get(&number) {
            return Ok(block);
        }
        let mut bytes = vec![0; BLOCK];
        self.file.seek(SeekFrom::Start(number * BLOCK as u64))?;
        self.file.read_exact(&mut bytes)?;
        self.bytes_read += BLOCK as u64;
        let block: Arc<[u8]> = bytes.into();
        self.cache.insert(number, Arc::clone(&block), BLOCK as u64);
        Ok(block)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut blocks = BlockFile::new(sample_file()?)?;
    let mut random = StdRng::seed_from_u64(1);
    let started = Instant::now();
    let mut reads = 0;
    while reads < READS {
        if random.random_ratio(1, 2_000) {
            // A scan: a thousand blocks, each once.
            let first = random.random_range(0..BLOCKS - 1_000);
            for number in first..first + 1_000 {
                verify(number, &blocks.block(number)?);
            }
            reads += 1_000;
        } else {
            // The fourth power of a uniform number: the first blocks are the hot ones.
            let skewed = random.random::<f64>().powi(4);
            let number = (skewed * BLOCKS as f64) as u64;
            verify(number, &blocks.block(number)?);
            reads += 1;
        }
    }
    blocks.cache.wait()?;
    let stats = blocks.cache.stats();
    let asked = stats.reads() * BLOCK as u64;
    println!("{} reads of {BLOCK} bytes in {:.2} s", stats.reads(), started.elapsed().as_secs_f64());
    println!("hit ratio    {:.1} %", 100.0 * stats.hit_ratio());
    println!("bytes saved  {:.1} of {:.1} MiB", mib(asked - blocks.bytes_read), mib(asked));
    println!("peak cost    {} of {} + {}", stats.peak_cost, stats.max_cost, stats.slack);
    Ok(())
}

/// A temporary file whose every block begins with its number; it is gone when the handle is.
fn sample_file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("tollgate-block-cache-{}", std::process::id()));
    let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    let mut block = vec![0xb1; BLOCK];
    for number in 0..BLOCKS {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block)?;
    }
    Ok(file)
}

fn verify(number: u64, block: &[u8]) {
    assert_eq!(block[..8], number.to_le_bytes(), "the cache answered with another block");
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
