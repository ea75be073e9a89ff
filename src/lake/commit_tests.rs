use super::*;

/// A commit as format 1 writes it. This text must be read, and written again byte for byte, by
/// every later program: it is never edited, only added to.
const FORMAT_1: &str = r#"{
  "format": 1,
  "version": 42,
  "parent": 41,
  "pipeline": "customer_intelligence",
  "attempt": "20260131t080000-5f3a",
  "run_id": "0f6f6c1e-5f3a-4d0e-9a9b-0c7c5d1c2b3a",
  "committed_at": "2026-01-31T08:00:01.000123Z",
  "as_of": "2026-01-31T00:00:00Z",
  "known_at": "2026-01-31T07:59:59.5Z",
  "project_fingerprint": "aa11",
  "parameters_fingerprint": "bb22",
  "engine_version": "goodwill 0.1.0 datafusion 55.2.0",
  "tables": {
    "customers": {
      "owner": "customer_intelligence",
      "built_in": 42,
      "fingerprint": "cc33",
      "contract": {
        "description": "One row per customer.",
        "columns": [
          {
            "name": "customer_id",
            "type": "bigint",
            "nullable": false,
            "pii": false,
            "description": "The key."
          },
          {
            "name": "email",
            "type": "varchar",
            "nullable": true,
            "pii": true,
            "description": ""
          },
          {
            "name": "net_sales",
            "type": "decimal(18, 2)",
            "nullable": true,
            "pii": false,
            "description": "Sum of net sales, EUR."
          }
        ],
        "grain": [
          "customer_id"
        ],
        "order_by": [
          "customer_id"
        ]
      },
      "delta": {
        "table_id": "6e0e3a4c-0000-8000-8000-000000000000",
        "version": 7
      },
      "parts": [
        {
          "slice": {
            "kind": "whole"
          },
          "fingerprint": "cc33",
          "made_from": {
            "definition": "aa",
            "parameters": "bb",
            "inputs": {
              "sources.customers": "dd"
            }
          },
          "attempt": "20260131t080000-5f3a",
          "published_at": "2026-01-31T08:00:01.000123Z",
          "rows": 2,
          "files": [
            {
              "path": "data/20260131t080000-5f3a/part-00000.parquet",
              "bytes": 1234,
              "rows": 2,
              "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
              "columns": {
                "customer_id": {
                  "min": "1",
                  "max": "2",
                  "null_count": 0
                },
                "email": {
                  "null_count": 1
                }
              }
            }
          ]
        }
      ]
    },
    "tiers": {
      "owner": "another",
      "built_in": 12,
      "fingerprint": "dd44",
      "contract": {
        "description": "",
        "columns": [],
        "grain": [],
        "order_by": [],
        "a_later_field": true
      },
      "delta": {
        "table_id": "6e0e3a4c-0000-8000-8000-000000000001",
        "version": 0
      },
      "parts": [
        {
          "slice": {
            "kind": "snapshot",
            "as_of": "2026-01-30T00:00:00Z"
          },
          "fingerprint": "ee55",
          "made_from": {
            "definition": "",
            "parameters": "",
            "inputs": {}
          },
          "attempt": "20260130t080000-11aa",
          "published_at": "2026-01-30T08:00:01Z",
          "rows": 0,
          "files": [
            {
              "path": "data/20260130t080000-11aa/part-00000.parquet",
              "bytes": 400,
              "rows": 0,
              "sha256": "",
              "columns": {},
              "a_later_field": [
                1
              ]
            }
          ],
          "a_later_field": {
            "x": "y"
          }
        },
        {
          "slice": {
            "kind": "interval",
            "start": "2026-01-01T00:00:00Z",
            "end": "2026-02-01T00:00:00Z"
          },
          "fingerprint": "ff66",
          "made_from": {
            "definition": "",
            "parameters": "",
            "inputs": {}
          },
          "attempt": "20260130t080000-11aa",
          "published_at": "2026-01-30T08:00:01Z",
          "rows": 0,
          "files": []
        }
      ],
      "a_later_field": null
    }
  }
}
"#;

fn read() -> Commit {
    serde_json::from_str(FORMAT_1).unwrap()
}

#[test]
fn format_1_is_read_and_written_again_byte_for_byte() {
    let written = String::from_utf8(read().encode().unwrap().content).unwrap();
    assert_eq!(written, FORMAT_1);
}

#[test]
fn format_1_keeps_its_meaning() {
    let commit = read();
    assert_eq!((commit.format, commit.version, commit.parent), (1, 42, Some(41)));
    assert_eq!(commit.committed_at.micros(), 1_769_846_401_000_123);
    let customers = &commit.tables["customers"];
    assert_eq!(customers.rows(), 2);
    assert_eq!(customers.delta.version, 7);
    assert_eq!(customers.contract.columns[2].data_type, TableType::Decimal { precision: 18, scale: 2 });
    let part = &customers.parts[0];
    assert_eq!(part.slice, Slice::Whole);
    assert_eq!(part.made_from.inputs["sources.customers"], "dd");
    assert_eq!(part.files[0].columns.get("customer_id").unwrap().max.as_deref(), Some("2"));
    let slices: Vec<_> = commit.tables["tiers"].parts.iter().map(|part| part.slice).collect();
    assert!(matches!(slices[..], [Slice::Snapshot { .. }, Slice::Interval { .. }]));
}

#[test]
fn a_field_a_later_program_adds_to_the_commit_does_not_stop_this_one() {
    let text = FORMAT_1.replacen("\"version\": 42,", "\"version\": 42, \"later\": {\"a\": 1},", 1);
    assert_eq!(serde_json::from_str::<Commit>(&text).unwrap(), read());
}

#[test]
fn a_path_that_leaves_the_table_is_no_commit() {
    let text = FORMAT_1.replacen("data/20260131t080000-5f3a/part", "../../../etc/part", 1);
    assert!(serde_json::from_str::<Commit>(&text).is_err());
}

#[test]
fn a_commit_holds_no_extremes_of_personal_data() {
    let mut commit = read();
    let file = |commit: &mut Commit| commit.tables.get_mut("customers").unwrap().parts[0].files[0].clone();
    let leaked = ColumnStatistics {
        min: Some("ann@example.org".to_owned()),
        max: Some("zoe@example.org".to_owned()),
        null_count: 1,
    };
    let customers = commit.tables.get_mut("customers").unwrap();
    let columns = &mut customers.parts[0].files[0].columns;
    let known = columns.iter().map(|(name, known)| (name.to_owned(), known.clone()));
    *columns = known.chain([("email".to_owned(), leaked)]).collect();
    let mut clean = commit.without_personal_data();
    let columns = file(&mut clean).columns;
    assert_eq!(columns.get("email"), Some(&ColumnStatistics { min: None, max: None, null_count: 1 }));
    assert_eq!(columns.get("customer_id").unwrap().min.as_deref(), Some("1"));
}

#[test]
fn every_type_reads_back_as_it_is_written() {
    for name in [
        "smallint",
        "integer",
        "bigint",
        "varchar",
        "boolean",
        "date",
        "timestamp",
        "decimal(38, 0)",
        "double",
    ] {
        assert_eq!(TableType::parse(name).unwrap().to_string(), name);
    }
    for name in ["decimal(39, 2)", "decimal(2, 3)", "decimal", "float", ""] {
        assert_eq!(TableType::parse(name), None, "{name}");
    }
}
