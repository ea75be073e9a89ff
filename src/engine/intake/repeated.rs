//! Keys that several rows have: the newest row is kept, whatever the order they were read in.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt64Array};
use arrow::compute::{SortOptions, concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::Result;

use super::MOST_LISTED;
use super::taking::{Taking, bare, quoted, relation};
use crate::diagnostic::Diagnostics;
use crate::engine::binding::{Binding, Bindings};
use crate::engine::execute::Engine;
use crate::engine::memory::Share;
use crate::engine::source::contract_schema;
use crate::project::SourceCheck;

impl Taking<'_> {
    /// Of rows with one key leaves the newest, ties by all their values.
    pub(super) async fn duplicates(&mut self, engine: &Engine, share: Share) -> Result<(), Diagnostics> {
        let Some(at) = self.contract.rules.iter().position(|rule| rule.check == SourceCheck::DuplicateKey)
        else {
            return Ok(());
        };
        let keys: Vec<String> = self.contract.table.grain.iter().map(|key| quoted(key)).collect();
        let keys = keys.join(", ");
        let sql = format!("select {keys} from goodwill_accepted group by {keys} having count(*) > 1");
        let relations = [relation(bare("goodwill_accepted")?, contract_schema(self.contract))];
        let accepted = Bindings::from([(bare("goodwill_accepted")?, self.accepted.clone())]);
        let typed = self.typed(&sql, &relations)?;
        let repeated = engine.collect(&typed, &accepted, Some(MOST_LISTED + 1), share).await?;
        let number: usize = repeated.iter().map(RecordBatch::num_rows).sum();
        if number == 0 {
            return Ok(());
        }
        if number > MOST_LISTED {
            return Err(self.too_many());
        }
        self.keep_newest(engine, share, at, repeated).await
    }

    async fn keep_newest(
        &mut self,
        engine: &Engine,
        share: Share,
        rule: usize,
        repeated: Vec<RecordBatch>,
    ) -> Result<(), Diagnostics> {
        let (accepted, keys) = (bare("goodwill_accepted")?, bare("goodwill_repeated")?);
        let schema = contract_schema(self.contract);
        let key_schema = repeated.first().map_or_else(|| Arc::clone(&schema), RecordBatch::schema);
        let mut relations = vec![
            relation(accepted.clone(), Arc::clone(&schema)),
            relation(keys.clone(), Arc::clone(&key_schema)),
        ];
        let mut bindings = Bindings::from([
            (accepted, self.accepted.clone()),
            (keys, Binding::Memory { schema: key_schema, batches: repeated }),
        ]);
        let same = self.contract.table.grain.iter().map(|key| {
            let key = quoted(key);
            format!("a.{key} = r.{key}")
        });
        let same = same.collect::<Vec<_>>().join(" and ");
        let sql = format!(
            "select a.* from goodwill_accepted as a
             where exists (select 1 from goodwill_repeated as r where {same})"
        );
        let rows = engine.collect(&self.typed(&sql, &relations)?, &bindings, None, share).await?;
        let (newest, rest) = self.newest(&schema, &rows).map_err(|cause| self.bug(&cause))?;
        self.reject(rule, &rest)?;
        let kept = bare("goodwill_newest")?;
        relations.push(relation(kept.clone(), Arc::clone(&schema)));
        bindings.insert(kept, Binding::Memory { schema, batches: vec![newest] });
        let sql = format!(
            "select a.* from goodwill_accepted as a
             where not exists (select 1 from goodwill_repeated as r where {same})
             union all select * from goodwill_newest"
        );
        self.accepted = Binding::View(Arc::new(self.typed(&sql, &relations)?), Arc::new(bindings));
        self.changed = true;
        self.within_limit()
    }

    /// Parts rows of repeated keys into the newest of each key and the rest.
    fn newest(&self, schema: &SchemaRef, rows: &[RecordBatch]) -> Result<(RecordBatch, RecordBatch)> {
        let rows = concat_batches(schema, rows)?;
        let table = &self.contract.table;
        let column = |name: &String| rows.column_by_name(name).map(Arc::clone);
        let keys: Vec<ArrayRef> = table.grain.iter().filter_map(column).collect();
        let times: Vec<ArrayRef> = self.request.newest_by.iter().filter_map(column).collect();
        let ascending = SortOptions { descending: false, nulls_first: false };
        let descending = SortOptions { descending: true, nulls_first: false };
        let field =
            |array: &ArrayRef, options| SortField::new_with_options(array.data_type().clone(), options);
        let mut fields: Vec<SortField> = keys.iter().map(|array| field(array, ascending)).collect();
        fields.extend(times.iter().map(|array| field(array, descending)));
        fields.extend(rows.columns().iter().map(|array| field(array, ascending)));
        let all: Vec<ArrayRef> = keys.iter().chain(&times).chain(rows.columns()).map(Arc::clone).collect();
        let order = RowConverter::new(fields)?.convert_columns(&all)?;
        let key = RowConverter::new(keys.iter().map(|array| field(array, ascending)).collect())?;
        let key = key.convert_columns(&keys)?;
        let mut sorted: Vec<usize> = (0..rows.num_rows()).collect();
        sorted.sort_by(|left, right| order.row(*left).cmp(&order.row(*right)));
        let (mut newest, mut rest) = (Vec::new(), Vec::new());
        let mut last: Option<OwnedRow> = None;
        for row in sorted {
            let same = last.as_ref().is_some_and(|last| last.row() == key.row(row));
            if same {
                rest.push(row);
            } else {
                newest.push(row);
            }
            last = Some(key.row(row).owned());
        }
        let take = |list: Vec<usize>| {
            let list: UInt64Array = list.into_iter().map(|row| u64::try_from(row).ok()).collect();
            take_record_batch(&rows, &list)
        };
        Ok((take(newest)?, take(rest)?))
    }
}
