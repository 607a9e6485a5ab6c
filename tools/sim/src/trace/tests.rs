//! Each format on a small file made here, whole and damaged.

use super::error::LineFault;
use super::*;
use std::io::Write;
use std::path::PathBuf;
use tempfile::TempDir;

fn write(dir: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 3).unwrap()
}

/// Key and cost of every request.
fn requests(trace: &Trace) -> Vec<(u64, u64)> {
    trace.requests().map(|key| (key.key, key.cost)).collect()
}

fn read(name: &str, content: &[u8]) -> Result<Trace, TraceError> {
    read_as(name, content, &LoadOptions::default())
}

fn read_as(name: &str, content: &[u8], options: &LoadOptions) -> Result<Trace, TraceError> {
    let dir = TempDir::new().unwrap();
    load(&write(&dir, name, content), options)
}

fn tollgate_records(records: &[(u64, u32)]) -> Vec<u8> {
    records.iter().flat_map(|(key, size)| [&key.to_le_bytes()[..], &size.to_le_bytes()].concat()).collect()
}

#[test]
fn tollgate_records_read_raw_and_compressed() {
    let raw = tollgate_records(&[(7, 10), (u64::MAX, 4_000_000_000), (7, 10)]);
    for (name, content) in
        [("a.trc", raw.clone()), ("a.trc.zst", zstd(&raw)), ("a.trc.gz", gzip(&raw)), ("a.trc", zstd(&raw))]
    {
        let trace = read(name, &content).unwrap();
        assert_eq!(requests(&trace), [(7, 10), (u64::MAX, 4_000_000_000), (7, 10)], "{name}");
        assert_eq!(trace.name(), "a");
        assert_eq!((trace.distinct(), trace.distinct_cost()), (2, 4_000_000_010));
        assert_eq!(trace.requested_cost(), 4_000_000_020);
    }
}

#[test]
fn concatenated_compressed_streams_are_one_trace() {
    let (head, tail) = (tollgate_records(&[(1, 1)]), tollgate_records(&[(2, 1)]));
    for content in [[zstd(&head), zstd(&tail)].concat(), [gzip(&head), gzip(&tail)].concat()] {
        assert_eq!(requests(&read("a.trc", &content).unwrap()), [(1, 1), (2, 1)]);
    }
}

#[test]
fn a_cut_record_says_how_many_were_whole() {
    let raw = tollgate_records(&[(1, 1), (2, 1), (3, 1)]);
    let error = read("a.trc", &raw[..31]).unwrap_err();
    assert!(matches!(error.fault, TraceFault::Truncated { requests: 2, left: 7, record: 12 }), "{error}");
    assert!(error.to_string().contains("a.trc"), "{error}");
}

#[test]
fn a_cut_compressed_stream_is_an_error() {
    let raw = tollgate_records(&(0..10_000).map(|key| (key * 77_777, 1)).collect::<Vec<_>>());
    for whole in [zstd(&raw), gzip(&raw)] {
        let error = read("a.trc", &whole[..whole.len() / 2]).unwrap_err();
        assert!(matches!(error.fault, TraceFault::Read { .. } | TraceFault::Truncated { .. }), "{error}");
        assert!(error.to_string().contains("requests"), "{error}");
    }
}

#[test]
fn oracle_general_reads_object_and_size() {
    let mut content = Vec::new();
    for (time, object, size, next) in [(1u32, 5u64, 100u32, 2i64), (2, 6, 200, -1), (3, 5, 100, -1)] {
        content.extend_from_slice(&time.to_le_bytes());
        content.extend_from_slice(&object.to_le_bytes());
        content.extend_from_slice(&size.to_le_bytes());
        content.extend_from_slice(&next.to_le_bytes());
    }
    let trace = read("w1.oracleGeneral.bin.zst", &zstd(&content)).unwrap();
    assert_eq!(requests(&trace), [(5, 100), (6, 200), (5, 100)]);
    assert_eq!(trace.name(), "w1");
    let error = read("w1.oracleGeneral", &content[..71]).unwrap_err();
    assert!(matches!(error.fault, TraceFault::Truncated { requests: 2, left: 23, record: 24 }), "{error}");
}

#[test]
fn a_line_that_asks_for_more_blocks_than_any_device_has_is_refused() {
    let fault = read("a.lis", b"0 8 0 0\n0 18446744073709551615 0 1\n").unwrap_err().fault;
    let TraceFault::Line { line: 2, fault } = fault else { panic!("{fault}") };
    assert_eq!(fault, LineFault::LongRun { blocks: u64::MAX, most: 1 << 20 });
}

#[test]
fn arc_lines_expand_to_blocks() {
    let trace = read("P1.lis.gz", &gzip(b"100 3 0 1\n7 1 0 2\n101 2 0 3\n")).unwrap();
    assert_eq!(requests(&trace), [100, 101, 102, 7, 101, 102].map(|block| (block, 1)));
    let error = read("P1.lis", b"100 3 0 1\n7 x 0 2\n").unwrap_err();
    assert!(matches!(error.fault, TraceFault::Line { line: 2, fault: LineFault::NotANumber(_) }), "{error}");
}

#[test]
fn lirs_lines_skip_stars() {
    for name in ["loop.trace", "loop.trc", "loop"] {
        let trace = read(name, b"1\n2\n*\n1\n*\n").unwrap();
        assert_eq!(requests(&trace), [(1, 1), (2, 1), (1, 1)], "{name}");
    }
    let error = read("loop.trc", b"1\n2\nthree\n").unwrap_err();
    assert!(matches!(error.fault, TraceFault::Line { line: 3, .. }), "{error}");
}

#[test]
fn text_keys_may_be_words_and_carry_costs() {
    let trace = read("a.txt", b"# made by hand\nanna 10\nbert,20\n\nanna 10\r\n").unwrap();
    let costs: Vec<u64> = trace.requests().map(|key| key.cost).collect();
    assert_eq!(costs, [10, 20, 10]);
    assert_eq!(trace.ids(), [0, 1, 0]);
}

#[test]
fn csv_columns_are_found_by_name_or_number() {
    let named = b"time;Object-ID;op;Bytes\n1;anna;get;10\n2;bert;get;20\n3;anna;get;10\n";
    let trace = read("a.csv", named).unwrap();
    assert_eq!((trace.ids(), trace.distinct_cost()), (&[0, 1, 0][..], 30));

    let columns = Columns { key: Some("op".into()), size: Some("time".into()), delimiter: None };
    let trace = read_as("a.csv", named, &LoadOptions { format: None, columns }).unwrap();
    assert_eq!((trace.distinct(), trace.distinct_cost()), (1, 3));

    let columns = Columns { key: Some("2".into()), size: None, delimiter: None };
    let trace = read_as("a.dat", b"x\t5\ny\t6\nz\t5\n", &LoadOptions { format: None, columns }).unwrap();
    assert_eq!(requests(&trace), [(5, 1), (6, 1), (5, 1)]);
}

#[test]
fn csv_faults_name_their_line() {
    let error = read("a.csv", b"key,size\n1,10\n2,big\n").unwrap_err();
    assert!(matches!(error.fault, TraceFault::Line { line: 3, fault: LineFault::NotANumber(_) }), "{error}");
    let error = read("a.csv", b"key,size\n1\n").unwrap_err();
    assert!(
        matches!(error.fault, TraceFault::Line { line: 2, fault: LineFault::TooFewFields { .. } }),
        "{error}"
    );
    let columns = Columns { key: Some("nobody".into()), ..Columns::default() };
    let error = read_as("a.csv", b"key,size\n1,2\n", &LoadOptions { format: None, columns }).unwrap_err();
    assert!(matches!(error.fault, TraceFault::NoColumn { .. }), "{error}");
    assert!(error.to_string().contains("key, size"), "{error}");
}

#[test]
fn libcachesim_csv_with_and_without_names() {
    let options = LoadOptions { format: Some(Format::LibCacheSimCsv), columns: Columns::default() };
    let named = b"version,time,op,size,lbn\n1,33898,2a,512,42932745\n1,33899,2a,1024,42932746\n";
    let trace = read_as("trace.csv", named, &options).unwrap();
    assert_eq!(requests(&trace), [(42932745, 512), (42932746, 1024)]);
    let bare = b"1, 7, 100, 3\n2, 8, 50, -1\n3, 7, 100, -1\n";
    let trace = read_as("trace.csv", bare, &options).unwrap();
    assert_eq!(requests(&trace), [(7, 100), (8, 50), (7, 100)]);
    assert_eq!(requests(&read("trace.csv", named).unwrap()), [(42932745, 512), (42932746, 1024)]);
}

#[test]
fn twitter_counts_reads_and_learns_sizes_from_writes() {
    let content = b"0,nz:a,4,0,1,get,0\n0,nz:a,4,96,1,set,60\n1,nz:b,6,30,2,gets,0\n1,nz:c,9,9,2,delete,0\n2,nz:a,4,90,1,get,0\n";
    let trace = read("cluster1.sort.zst", &zstd(content)).unwrap();
    assert_eq!(trace.ids(), [0, 1, 0]);
    assert_eq!((trace.distinct(), trace.distinct_cost()), (2, 136));
    assert_eq!(trace.recosted(), 1);
    let options = LoadOptions { format: Some(Format::Twitter), columns: Columns::default() };
    let error = read_as("x", b"0,a,1,1,1,get,0\n0,a,1,1,1,frob,0\n", &options).unwrap_err();
    assert!(
        matches!(error.fault, TraceFault::Line { line: 2, fault: LineFault::UnknownOperation(_) }),
        "{error}"
    );
}

fn columns(key: Option<&str>, size: Option<&str>) -> Columns {
    Columns { key: key.map(str::to_owned), size: size.map(str::to_owned), delimiter: None }
}

#[test]
fn a_stray_quotation_mark_takes_no_lines_with_it() {
    let twitter: String =
        (0..500).map(|n| format!("{n},{},4,0,1,get,0\n", if n == 7 { "\"b" } else { "a" })).collect();
    assert_eq!(read("t.sort", twitter.as_bytes()).unwrap().len(), 500);

    let bare: String = (0..500).map(|n| format!("{n},{},10\n", if n == 7 { "\"b" } else { "5" })).collect();
    let options = LoadOptions { format: Some(Format::LibCacheSimCsv), columns: Columns::default() };
    let error = read_as("bare.csv", bare.as_bytes(), &options).unwrap_err();
    assert!(matches!(error.fault, TraceFault::Line { line: 8, fault: LineFault::OpenQuote }), "{error}");
    let quoted = b"\xef\xbb\xbf1,\"a,b\",512\n2,c,1\n";
    assert_eq!(read_as("bare.csv", quoted, &options).unwrap().distinct_cost(), 513);

    let named = format!("key,size\n{}", (0..500).map(|n| format!("{n},1\n")).collect::<String>());
    let error = read("a.csv", named.replace("\n7,", "\n\"7,").as_bytes()).unwrap_err();
    assert!(matches!(error.fault, TraceFault::Line { line: 9, fault: LineFault::OpenQuote }), "{error}");
    // In another column than ours, a few lines may well be one field.
    let noted = b"note,key,size\n\"two\nlines\",7,1\nnone,8,1\n";
    assert_eq!(requests(&read("a.csv", noted).unwrap()), [(7, 1), (8, 1)]);
    let stray = format!(
        "note,key,size\n{}",
        (0..500).map(|n| format!("{},{n},1\n", if n == 7 { "\"" } else { "x" })).collect::<String>()
    );
    let error = read("a.csv", stray.as_bytes()).unwrap_err();
    assert!(matches!(error.fault, TraceFault::Line { line: 9, fault: LineFault::OpenQuote }), "{error}");
    // Closed on its line, it is none of ours.
    assert_eq!(read("a.csv", named.replace("\n7,", "\n\"7\",").as_bytes()).unwrap().distinct(), 500);
}

#[test]
fn columns_that_would_be_ignored_are_refused() {
    let with = |name: &str, content: &[u8], format, columns| {
        read_as(name, content, &LoadOptions { format, columns }).map_err(|error| error.fault)
    };
    let csv = b"ts,key,bytes\n1,7,10\n2,8,20\n";
    for size in ["bytes", "nosuch"] {
        let mixed = with("a.csv", csv, None, columns(Some("2"), Some(size)));
        assert!(matches!(mixed, Err(TraceFault::MixedColumns)), "{mixed:?}");
    }
    assert!(matches!(
        with("a.csv", csv, None, columns(None, Some("nosuch"))),
        Err(TraceFault::NoColumn { .. })
    ));
    assert_eq!(requests(&with("a.csv", csv, None, columns(None, Some("ts"))).unwrap()), [(7, 1), (8, 2)]);

    let bare = b"1,7,100,3\n2,8,50,4\n";
    let format = Some(Format::LibCacheSimCsv);
    assert_eq!(requests(&with("a.csv", bare, format, columns(None, Some("4"))).unwrap()), [(7, 3), (8, 4)]);
    let mixed = with("a.csv", bare, format, columns(None, Some("size")));
    assert!(matches!(mixed, Err(TraceFault::MixedColumns)), "{mixed:?}");

    let comma = Columns { delimiter: Some(b','), ..Columns::default() };
    assert_eq!(with("a", b"0,a,1,1,1,get,0\n", None, comma).unwrap().len(), 1);
    for format in [Format::Lirs, Format::Text, Format::Arc, Format::Twitter, Format::Tollgate] {
        let ignored = with("a", b"1\n2\n", Some(format), columns(Some("key"), None));
        assert!(matches!(ignored, Err(TraceFault::NoColumns(_))), "{format:?}: {ignored:?}");
    }
}

#[test]
fn compressed_data_is_never_read_as_records() {
    for (name, magic) in
        [("bzip2", &b"BZh91AY&SY"[..]), ("xz", b"\xfd7zXZ\0\0\x04"), ("lz4", b"\x04\x22\x4d\x18\x64")]
    {
        let mut content = magic.to_vec();
        content.resize(1200, 0xa5);
        for (file, format) in
            [("a.trc.bz2", None), ("a.oracleGeneral.xz", None), ("a", Some(Format::Tollgate))]
        {
            let options = LoadOptions { format, columns: Columns::default() };
            let error = read_as(file, &content, &options).unwrap_err();
            assert!(matches!(error.fault, TraceFault::UnknownCompression(told) if told == name), "{error}");
        }
    }
    let content: Vec<u8> = (0..1200).map(|n| (n * 7 % 251) as u8).collect();
    assert!(matches!(read("a.zip7", &content).unwrap_err().fault, TraceFault::UnknownFormat));
    assert_eq!(read("a.txt", b"BZhang,1\n").unwrap().len(), 1);
    // Parallel zstd begins with a frame that is to be skipped.
    let skipped =
        [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4][..], &zstd(&tollgate_records(&[(7, 1)]))];
    assert_eq!(requests(&read("a.trc.zst", &skipped.concat()).unwrap()), [(7, 1)]);
}

#[test]
fn text_that_is_something_else_is_refused() {
    let error = read("a.txt", b"1 2\n1633046400 42 512\n").unwrap_err();
    assert!(
        matches!(error.fault, TraceFault::Line { line: 2, fault: LineFault::TooManyFields { .. } }),
        "{error}"
    );
    assert_eq!(read("a.txt", b"1 2 # seldom\n").unwrap().len(), 1);
    // Written otherwise, it is another key.
    let trace = read("a.keys", b"\xef\xbb\xbf7 1\n7 1\n007 1\n+7 1\n0 1\n").unwrap();
    assert_eq!(trace.ids(), [0, 0, 1, 2, 3]);
    assert_eq!((trace.keys()[0].key, trace.keys()[3].key), (7, 0));
    assert_eq!(requests(&read("a", b"\xef\xbb\xbf7\n8\n").unwrap()), [(7, 1), (8, 1)]);
    let error = read("a.txt", b"1 99999999999999999999\n").unwrap_err();
    assert!(error.to_string().contains("64 bits"), "{error}");
}

#[test]
fn what_cannot_be_told_is_asked_for() {
    for (name, content) in [("mystery", &tollgate_records(&[(1, 1)])[..]), ("words", b"hello world\n")] {
        let error = read(name, content).unwrap_err();
        assert!(matches!(error.fault, TraceFault::UnknownFormat), "{error}");
        assert!(error.to_string().contains("--trace-format"));
    }
    assert!(matches!(read("a.trc", b"").unwrap_err().fault, TraceFault::Empty));
    assert!(matches!(read("a.csv", b"key,size\n").unwrap_err().fault, TraceFault::Empty));
}

#[test]
fn a_key_costs_the_most_that_was_seen() {
    let trace = read("a.trc", &tollgate_records(&[(1, 5), (1, 9), (1, 7), (2, 0)])).unwrap();
    assert_eq!(requests(&trace), [(1, 9), (1, 9), (1, 9), (2, 1)]);
    assert_eq!(trace.recosted(), 1);
}

#[test]
fn next_requests_point_forward() {
    let trace = read("a", b"1\n2\n1\n1\n").unwrap();
    assert_eq!(trace.next_requests(), [2, NEVER, 3, NEVER]);
}

#[test]
fn the_synthetic_trace_is_what_it_says() {
    let trace = synthetic::synthetic(1).unwrap();
    assert_eq!(trace.len(), 1_000_000);
    assert!(trace.is_unit());
    let mut counts = vec![0u32; trace.distinct()];
    trace.ids().iter().for_each(|&id| counts[id as usize] += 1);
    let once = counts.iter().filter(|&&count| count == 1).count();
    assert!(once > 90_000, "nine scans of 10,000 keys are never asked for again: {once}");
    assert_eq!(synthetic::synthetic(1).unwrap().ids(), trace.ids());
    assert_ne!(synthetic::synthetic(2).unwrap().ids(), trace.ids());
}
