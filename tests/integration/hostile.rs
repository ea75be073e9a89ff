//! Parquet files made by hand to hurt: a footer that asks for gigabytes, ten thousand columns, a
//! schema without an end, rows that are not there. Each is an error with the file's name.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use goodwill::engine::read_footer;
use goodwill::store::{self, Key};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter,
    RowGroupMetaData,
};
use parquet::file::properties::WriterProperties;

use crate::mutants::{Bench, Read};
use crate::parquet_files::{Thrift, footer_of, with_footer, write};

/// The most elements a list can claim.
const MOST: u64 = i32::MAX as u64;

/// The most a bad footer may take, in bytes.
const MEMORY: u64 = 200_000_000;

fn column(name: &str, rows: i64) -> RecordBatch {
    let array: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    RecordBatch::try_from_iter([(name, array)]).unwrap()
}

fn plain(batch: &RecordBatch) -> Vec<u8> {
    write(batch, WriterProperties::new())
}

/// A `SchemaElement`: a column, or a group that claims so many children.
fn element(name: &str, children: i32) -> Vec<u8> {
    match children {
        0 => Thrift::new().i32(1, 2).i32(3, 0).text(4, name).end(),
        _ => Thrift::new().i32(3, 0).text(4, name).i32(5, children).end(),
    }
}

/// A footer with this schema and row groups, each a claimed number and what is there of them.
fn footer(schema: (u64, &[u8]), groups: (u64, &[u8])) -> Vec<u8> {
    let thrift = Thrift::new().i32(1, 1).structs(2, schema.0, schema.1).i64(3, 0);
    thrift.structs(4, groups.0, groups.1).end()
}

/// Footers that are hostile by themselves, with what they do.
pub(crate) fn hostile_footers() -> Vec<(&'static str, Vec<u8>)> {
    let one = [element("root", 1), element("a", 0)].concat();
    let nested: Vec<u8> = (0..100_000).flat_map(|_| element("g", 1)).chain(element("a", 0)).collect();
    let wide = (1..=100_000).map(|at| element(&format!("c{at}"), 0));
    let wide: Vec<u8> = std::iter::once(element("root", 100_000)).chain(wide).flatten().collect();
    let empty = vec![0_u8; 30 << 20];
    let keys = Thrift::new().i32(1, 1).structs(2, 2, &one).i64(3, 0).structs(4, 0, &[]);
    vec![
        ("asks for two thousand million row groups", footer((2, &one), (MOST, &[]))),
        ("asks for two thousand million columns", footer((MOST, &one), (0, &[]))),
        ("has a group of two thousand million columns", footer((2, &element("root", i32::MAX)), (0, &[]))),
        ("has a group of fewer than no columns", footer((1, &element("root", -1)), (0, &[]))),
        ("has a schema without an end", footer((100_001, &nested), (0, &[]))),
        (
            "has a schema of nothing but groups",
            footer((2, &[element("g", 1), element("g", 1)].concat()), (0, &[])),
        ),
        ("has a hundred thousand columns", footer((100_001, &wide), (0, &[]))),
        ("has thirty million empty keys", keys.structs(5, 30 << 20, &empty).end()),
        ("has thirty million empty row groups", footer((2, &one), (30 << 20, &empty))),
        ("has row groups without columns", footer((2, &one), (2, &[0, 0]))),
    ]
}

/// Files whose very length lies.
fn hostile_lengths() -> Vec<(&'static str, Vec<u8>)> {
    let sound = plain(&column("a", 10));
    let with_length = |length: u32| {
        let mut file = sound.clone();
        let at = file.len() - 8;
        file[at..at + 4].copy_from_slice(&length.to_le_bytes());
        file
    };
    vec![
        ("a footer of four gigabytes", with_length(u32::MAX)),
        ("a footer of two gigabytes", with_length(i32::MAX as u32)),
        ("a footer of nothing", with_length(0)),
        ("a footer that begins before the file", with_length(u32::try_from(sound.len()).unwrap())),
        ("no file", Vec::new()),
        ("twelve bytes", b"PAR1\0\0\0\0PAR1".to_vec()),
        ("a text", b"order_id,amount\n1,2.00\n".repeat(100)),
    ]
}

/// A file with the footer of a sound one, changed.
fn with_changed_footer(file: &[u8], change: impl Fn(&ParquetMetaData) -> ParquetMetaData) -> Vec<u8> {
    let range = footer_of(file);
    let metadata = ParquetMetaDataReader::decode_metadata(&file[range.clone()]).unwrap();
    let mut footer = Vec::new();
    ParquetMetaDataWriter::new(&mut footer, &change(&metadata)).finish().unwrap();
    [&file[..range.start], &footer].concat()
}

/// What is written of the file itself: its rows are then those of its row groups.
fn file_metadata(of: &ParquetMetaData) -> FileMetaData {
    let of = of.file_metadata();
    FileMetaData::new(of.version(), of.num_rows(), None, None, of.schema_descr_ptr(), None)
}

/// A file of 1,000 rows that says to have another number of them.
fn saying_of_the_file(file: &[u8], rows: [u8; 2]) -> Vec<u8> {
    // Field 3, a number of 64 bits, 1,000; then field 4, a list.
    let written = [0x16, 0xd0, 0x0f, 0x19];
    let at = file.windows(4).rposition(|window| window == written).unwrap();
    let mut file = file.to_vec();
    file[at + 1..at + 3].copy_from_slice(&rows);
    file
}

/// The same row group with so many rows; `values` says how many values its columns have.
fn group(of: &RowGroupMetaData, rows: i64, values: i64) -> RowGroupMetaData {
    let column =
        |column: &ColumnChunkMetaData| column.clone().into_builder().set_num_values(values).build().unwrap();
    let columns = of.columns().iter().map(column).collect();
    of.clone().into_builder().set_num_rows(rows).set_column_metadata(columns).build().unwrap()
}

/// Sound pages of 1,000 rows under footers that say other numbers: of the file, of its row group
/// and of its column's values.
fn miscounted() -> Vec<(&'static str, Vec<u8>)> {
    let file = plain(&column("a", 1000));
    let saying = |rows: i64, values: i64| {
        with_changed_footer(&file, |metadata| {
            let groups = vec![group(metadata.row_group(0), rows, values)];
            ParquetMetaData::new(file_metadata(metadata), groups)
        })
    };
    vec![
        // 1,998 and 2,002, which stand for 999 and 1,001.
        ("fewer rows of the file", saying_of_the_file(&file, [0xce, 0x0f])),
        ("more rows of the file", saying_of_the_file(&file, [0xd2, 0x0f])),
        ("fewer rows of the row group", saying(999, 1000)),
        ("more rows of the row group", saying(1001, 1000)),
        ("rows below none", saying(-1, -1)),
        ("fewer rows everywhere", saying(999, 999)),
        ("more rows everywhere", saying(1001, 1001)),
        ("no rows of a row group with pages", saying(0, 0)),
    ]
}

#[track_caller]
fn assert_refused(what: &str, read: &Read, name: &str) {
    let Read::Refused(found) = read else { panic!("{what}: {read:?}") };
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(texts.iter().all(|text| text.starts_with("GW0402") && text.contains(name)), "{what}: {texts:?}");
}

#[tokio::test]
async fn rows_that_are_not_as_the_footer_says_are_an_error() {
    let bench = Bench::new();
    let sound = with_changed_footer(&plain(&column("a", 1000)), |metadata| {
        ParquetMetaData::new(file_metadata(metadata), metadata.row_groups().to_vec())
    });
    assert!(matches!(bench.read("sound.parquet", &sound).await, Read::Rows(1000)));
    for (what, file) in miscounted() {
        assert_refused(what, &bench.read("miscounted.parquet", &file).await, "miscounted.parquet");
    }
}

#[tokio::test]
async fn a_file_cut_anywhere_is_an_error() {
    let (bench, file) = (Bench::new(), plain(&column("a", 1000)));
    for kept in (0..file.len()).step_by(37) {
        let read = bench.read("cut.parquet", &file[..kept]).await;
        assert_refused(&format!("{kept} bytes"), &read, "cut.parquet");
    }
}

#[tokio::test]
async fn ten_thousand_columns_are_an_error_and_four_thousand_are_not() {
    let wide = |columns: i32| {
        let array: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let columns = (0..columns).map(|at| (format!("c{at}"), Arc::clone(&array)));
        plain(&RecordBatch::try_from_iter(columns).unwrap())
    };
    let bench = Bench::new();
    assert_refused("wide", &bench.read("wide.parquet", &wide(10_000)).await, "wide.parquet");
    let read = bench.read("narrower.parquet", &wide(4_000)).await;
    assert!(matches!(read, Read::Rows(1)), "{read:?}");
}

/// Everything above through the program: exit 4, the code, the file's name, nothing published.
#[test]
fn the_program_names_a_hostile_file_and_goes_on_living() {
    let project = crate::inputs::with_orders(&[1], &[1.0]);
    let pages = plain(&column("a", 10));
    let pages = &pages[..footer_of(&pages).start];
    let footers = hostile_footers().into_iter().map(|(what, footer)| (what, with_footer(pages, &footer)));
    for (what, file) in footers.chain(hostile_lengths()).chain(miscounted().into_iter().take(1)) {
        println!("{what}");
        fs::write(project.path().join("sources/orders/b.parquet"), file).unwrap();
        let expected = "error[GW0402]: PROJECT/sources/orders/b.parquet is not a readable Parquet file";
        crate::inputs::check(&project, &[], 4, &[expected]);
    }
}

/// A file of five gigabytes with a footer of two: nobody may try to read that.
#[cfg(unix)]
#[test]
fn a_footer_of_two_gigabytes_that_is_there_is_not_read() {
    use std::os::unix::fs::FileExt;

    let project = crate::inputs::with_orders(&[1], &[1.0]);
    let file = fs::File::create(project.path().join("sources/orders/b.parquet")).unwrap();
    let size = 5_u64 << 30;
    // Nothing but the ends takes room on the disk.
    file.set_len(size).unwrap();
    file.write_all_at(b"PAR1", 0).unwrap();
    file.write_all_at(&[&(2_u32 << 30).to_le_bytes()[..], b"PAR1"].concat(), size - 8).unwrap();
    crate::inputs::check(&project, &[], 4, &["error[GW0402]: PROJECT/sources/orders/b.parquet"]);
}

/// Reads the footer of `$GOODWILL_FOOTER` in a process of its own, and tells what that took.
#[tokio::test]
#[ignore = "the test below starts it in processes of its own"]
async fn reads_one_footer() {
    let file = std::env::var("GOODWILL_FOOTER").unwrap();
    let file = Path::new(&file);
    let store = store::open(".", file.parent().unwrap(), &store::Access::to_folders()).unwrap();
    let key = Key::parse(file.file_name().unwrap().to_str().unwrap()).unwrap();
    let info = store.head(&key).await.unwrap().unwrap();
    let read = read_footer(&store, &info).await;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    let code = read.map_or_else(|found| found.code.to_string(), |_| "sound".to_owned());
    println!("READ {code} {} {}", of("VmHWM:"), of("VmPeak:"));
}

/// What reading the footer of `file` took with at most `limit` bytes of address space: the code,
/// the most memory and the most address space.
fn measured(file: &Path, limit: Option<u64>) -> (String, u64, u64) {
    let limit = limit.map_or("unlimited".to_owned(), |bytes| (bytes / 1024).to_string());
    let script =
        format!("ulimit -v {limit}; exec \"$0\" --exact hostile::reads_one_footer --ignored --nocapture");
    let mut child = Command::new("sh");
    child.arg("-c").arg(script).arg(std::env::current_exe().unwrap());
    let told = child.env("GOODWILL_FOOTER", file).env("RUST_TEST_THREADS", "1").output().unwrap();
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let line = text.lines().find_map(|line| line.split_once("READ ").map(|(_, told)| told));
    let line = line.unwrap_or_else(|| panic!("{}: {told:?}", file.display()));
    let words: Vec<&str> = line.split_whitespace().collect();
    let bytes = |at: usize| words[at].parse::<u64>().unwrap() * 1024;
    (words[0].to_owned(), bytes(1), bytes(3))
}

#[cfg(target_os = "linux")]
#[test]
fn a_bad_footer_never_takes_more_than_200_mb() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.parquet");
    let sound = plain(&column("a", 10));
    fs::write(&file, &sound).unwrap();
    let (code, _, usual) = measured(&file, None);
    assert_eq!(code, "sound");
    let pages = &sound[..footer_of(&sound).start];
    let footers = hostile_footers().into_iter().map(|(what, footer)| (what, with_footer(pages, &footer)));
    for (what, bytes) in footers.chain(hostile_lengths()) {
        fs::write(&file, bytes).unwrap();
        let (code, most, _) = measured(&file, Some(usual + MEMORY));
        println!("{what}: {} MB", most / 1_000_000);
        assert_eq!(code, "GW0402", "{what}");
        assert!(most < MEMORY, "{what}: {most} bytes");
    }
}
