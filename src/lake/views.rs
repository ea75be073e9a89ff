//! Generated files that name the exact files of one commit, for tools without a Delta reader.
//!
//! **Invariant:** a function of the commit and the root's address: any program writes the same.

use super::{Commit, FileEntry, Lake, LakeError, Part, TableEntry, TableType, layout};
use crate::ident::NodeName;
use crate::store::Key;

/// A generated file.
pub(super) struct View {
    /// Where it belongs.
    pub key: Key,
    /// What it must hold.
    pub content: String,
}

/// The generated files of `commit`.
///
/// # Errors
///
/// Never: every checked name makes a key.
pub(super) fn generate(lake: &Lake, commit: &Commit) -> Result<Vec<View>, LakeError> {
    Ok(vec![
        View { key: layout::view("duckdb.sql")?, content: duckdb(lake, commit)? },
        View { key: layout::view("spark.sql")?, content: spark(lake, commit)? },
        View { key: layout::view("trino.sql")?, content: trino(lake, commit)? },
        View { key: layout::view("powerbi.m")?, content: powerbi(lake, commit)? },
    ])
}

fn duckdb(lake: &Lake, commit: &Commit) -> Result<String, LakeError> {
    let header = header(
        "--",
        commit,
        &["DuckDB: duckdb -init duckdb.sql, or .read duckdb.sql; all views change at once."],
    );
    let views = each_view(commit, |view| {
        let files = view.addresses(lake, |key| lake.store().locate(key))?;
        let files: Vec<String> = files.iter().map(|file| format!("    {}", quoted(file))).collect();
        // Snapshots from before a column was added do not have it.
        let by_name = if view.parts.len() > 1 { ", union_by_name = true" } else { "" };
        Ok(format!(
            "\ncreate or replace view {0} as\nselect * from read_parquet([\n{1}\n]{by_name});\n\
             comment on view {0} is {2};\n",
            view.name,
            files.join(",\n"),
            quoted(&view.entry.contract.description)
        ))
    })?;
    Ok(format!("{header}begin transaction;\n{views}\ncommit;\n"))
}

fn spark(lake: &Lake, commit: &Commit) -> Result<String, LakeError> {
    let header = header("--", commit, &["Spark: spark-sql -i spark.sql"]);
    let views = each_view(commit, |view| {
        let mut selects = Vec::new();
        for part in view.parts {
            for file in &part.files {
                let url = lake.store().plain_url(&lake.file_key(view.table, file)?).replace('`', "``");
                selects.push(format!("select {} from parquet.`{url}`", view.columns_of(file)));
            }
        }
        let select = selects.join("\nunion all\n");
        Ok(format!("\ncreate or replace temporary view {} as\n{select};\n", view.name))
    })?;
    Ok(header + &views)
}

fn trino(lake: &Lake, commit: &Commit) -> Result<String, LakeError> {
    let header = header(
        "--",
        commit,
        &[
            "Trino, Delta Lake connector, in a schema of your own: run the calls once, the views after",
            "each run. A view is pinned to the version of each table that belongs to this commit.",
        ],
    );
    let views = each_view(commit, |view| {
        let Shown { name, table, entry, .. } = view;
        let log = format!("goodwill.{table}_log for version as of {}", entry.delta.version);
        if view.is_latest {
            return Ok(format!(
                "\ncreate or replace view {name} as\nselect * from {log}\n\
                 where {SNAPSHOT_DAY} = (select max({SNAPSHOT_DAY}) from {log});\n"
            ));
        }
        let folder = quoted(&lake.store().plain_url(&layout::table(table)?));
        Ok(format!(
            "\n-- call system.register_table(schema_name => 'goodwill', table_name => '{table}_log', \
             table_location => {folder});\n\
             create or replace view {name} as\nselect * from {log};\n"
        ))
    })?;
    Ok(header + &views)
}

fn powerbi(lake: &Lake, commit: &Commit) -> Result<String, LakeError> {
    let header = header(
        "//",
        commit,
        &["Power BI: Get data, Blank query, Advanced editor, paste; then click on a table."],
    );
    let tables = each_view(commit, |view| {
        let files = view.addresses(lake, |key| lake.store().locate(key))?;
        let read = |file: &String| {
            format!("            Parquet.Document(File.Contents(\"{}\"))", file.replace('"', "\"\""))
        };
        let reads: Vec<String> = files.iter().map(read).collect();
        Ok(format!("        {} = Table.Combine({{\n{}\n        }}),\n", view.name, reads.join(",\n")))
    })?;
    let tables = tables.trim_end_matches(",\n");
    Ok(format!("{header}let\n    Tables = [\n{tables}\n    ]\nin\n    Tables\n"))
}

/// A table under a name: all of it, or the latest of its snapshots.
struct Shown<'a> {
    name: String,
    table: &'a NodeName,
    entry: &'a TableEntry,
    parts: &'a [Part],
    is_latest: bool,
}

impl Shown<'_> {
    fn addresses(&self, lake: &Lake, address: impl Fn(&Key) -> String) -> Result<Vec<String>, LakeError> {
        let files = self.parts.iter().flat_map(|part| &part.files);
        files.map(|file| lake.file_key(self.table, file).map(|key| address(&key))).collect()
    }

    /// The columns to read of one file: all, unless it is from before one was added.
    fn columns_of(&self, file: &FileEntry) -> String {
        let columns = &self.entry.contract.columns;
        if columns.iter().all(|column| file.columns.get(&column.name).is_some()) {
            return "*".to_owned();
        }
        let read = columns.iter().map(|column| {
            if file.columns.get(&column.name).is_some() {
                return column.name.clone();
            }
            format!("cast(null as {}) as {}", spark_type(column.data_type), column.name)
        });
        read.collect::<Vec<_>>().join(", ")
    }
}

fn spark_type(data_type: TableType) -> String {
    match data_type {
        TableType::Varchar => "string".to_owned(),
        other => other.to_string(),
    }
}

/// The column that tells the day of a snapshot.
const SNAPSHOT_DAY: &str = "as_of";

fn each_view(
    commit: &Commit,
    text: impl Fn(&Shown<'_>) -> Result<String, LakeError>,
) -> Result<String, LakeError> {
    let mut views = String::new();
    for (table, entry) in &commit.tables {
        let (name, parts) = (table.to_string(), entry.parts.as_slice());
        views.push_str(&text(&Shown { name, table, entry, parts, is_latest: false })?);
        if let Some(latest) = entry.latest_snapshot() {
            let (name, parts) = (format!("{table}_latest"), std::slice::from_ref(latest));
            views.push_str(&text(&Shown { name, table, entry, parts, is_latest: true })?);
        }
    }
    Ok(views)
}

fn header(mark: &str, commit: &Commit, how: &[&str]) -> String {
    let (version, as_of) = (commit.version, commit.as_of);
    let first = format!("{mark} Generated by Goodwill: version {version} of all tables, as of {as_of}.\n");
    how.iter().fold(first, |text, line| text + mark + " " + line + "\n")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests have a runtime and a folder of their own")]
mod tests {
    use super::super::tests::{publish, root, text};

    /// The text of a view of two tables, the root's folder left out.
    async fn view(name: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let lake = root(&folder).await;
        publish(&lake, 2).await;
        lake.roll_forward().await.unwrap();
        let root = folder.path().canonicalize().unwrap();
        let generated = text(&lake, &format!("views/{name}")).await;
        generated.replace(root.to_str().unwrap(), "")
    }

    #[tokio::test]
    async fn duckdb_reads_the_files_of_one_commit() {
        insta::assert_snapshot!(view("duckdb.sql").await, @r"
        -- Generated by Goodwill: version 2 of all tables, as of 2026-01-01T00:00:00Z.
        -- DuckDB: duckdb -init duckdb.sql, or .read duckdb.sql; all views change at once.
        begin transaction;

        create or replace view a as
        select * from read_parquet([
            '/root/tables/a/data/t2/part-00000.parquet'
        ]);
        comment on view a is 'One row per ''thing''.';

        create or replace view b as
        select * from read_parquet([
            '/root/tables/b/data/t1/part-00000.parquet'
        ]);
        comment on view b is 'One row per ''thing''.';

        commit;
        ");
    }

    #[tokio::test]
    async fn spark_reads_the_files_of_one_commit() {
        insta::assert_snapshot!(view("spark.sql").await, @r"
        -- Generated by Goodwill: version 2 of all tables, as of 2026-01-01T00:00:00Z.
        -- Spark: spark-sql -i spark.sql

        create or replace temporary view a as
        select * from parquet.`file:///root/tables/a/data/t2/part-00000.parquet`;

        create or replace temporary view b as
        select * from parquet.`file:///root/tables/b/data/t1/part-00000.parquet`;
        ");
    }

    #[tokio::test]
    async fn trino_is_pinned_to_the_versions_of_one_commit() {
        insta::assert_snapshot!(view("trino.sql").await, @r"
        -- Generated by Goodwill: version 2 of all tables, as of 2026-01-01T00:00:00Z.
        -- Trino, Delta Lake connector, in a schema of your own: run the calls once, the views after
        -- each run. A view is pinned to the version of each table that belongs to this commit.

        -- call system.register_table(schema_name => 'goodwill', table_name => 'a_log', table_location => 'file:///root/tables/a');
        create or replace view a as
        select * from goodwill.a_log for version as of 1;

        -- call system.register_table(schema_name => 'goodwill', table_name => 'b_log', table_location => 'file:///root/tables/b');
        create or replace view b as
        select * from goodwill.b_log for version as of 0;
        ");
    }

    #[tokio::test]
    async fn power_bi_reads_the_files_of_one_commit() {
        insta::assert_snapshot!(view("powerbi.m").await, @r#"
        // Generated by Goodwill: version 2 of all tables, as of 2026-01-01T00:00:00Z.
        // Power BI: Get data, Blank query, Advanced editor, paste; then click on a table.
        let
            Tables = [
                a = Table.Combine({
                    Parquet.Document(File.Contents("/root/tables/a/data/t2/part-00000.parquet"))
                }),
                b = Table.Combine({
                    Parquet.Document(File.Contents("/root/tables/b/data/t1/part-00000.parquet"))
                })
            ]
        in
            Tables
        "#);
    }
}
