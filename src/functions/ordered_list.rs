//! `array_agg(… order by …)` for many groups at once.
//!
//! DataFusion keeps an ordered list value by value, a list a group: a million short lists take it minutes. Lists without
//! an order it keeps by rows, for all groups together. Here each value takes along what it is ordered by into such a
//! list, which is sorted when it is done. All else is left to DataFusion.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, StructArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{SortOptions, cast, take};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF,
    Signature,
};

/// `array_agg`, quick where it is ordered.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct OrderedList {
    stock: Arc<AggregateUDF>,
}

impl OrderedList {
    /// Around DataFusion's own.
    pub(super) const fn around(stock: Arc<AggregateUDF>) -> Self {
        Self { stock }
    }
}

impl AggregateUDFImpl for OrderedList {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn aliases(&self) -> &[String] {
        self.stock.aliases()
    }

    fn signature(&self) -> &Signature {
        self.stock.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.stock.return_type(arguments)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.stock.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.stock.accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        if args.order_bys.is_empty() {
            return self.stock.create_groups_accumulator(args);
        }
        Ok(Box::new(OrderedGroups::try_new(&self.stock, &args)?))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.stock.order_sensitivity()
    }

    fn with_beneficial_ordering(self: Arc<Self>, _: bool) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        // Lists are sorted in any case.
        Ok(Some(self))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }

    fn supports_null_handling_clause(&self) -> bool {
        true
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }
}

/// Lists of values with what each is ordered by.
struct OrderedGroups {
    /// Keeps the pairs, without an order.
    pairs: Box<dyn GroupsAccumulator>,
    /// The value first, then what it is ordered by.
    fields: Fields,
    options: Vec<SortOptions>,
    ignores_nulls: bool,
}

impl OrderedGroups {
    fn try_new(stock: &AggregateUDF, args: &AccumulatorArgs) -> Result<Self> {
        let value = args.expr_fields[0].data_type().clone();
        let mut fields = vec![Field::new("value", value, true)];
        // Named as DataFusion names them in the state.
        for sort in args.order_bys {
            fields.push(Field::new(sort.expr.to_string(), sort.expr.data_type(args.schema)?, true));
        }
        let fields = Fields::from(fields);
        let pair: FieldRef = Arc::new(Field::new("pair", DataType::Struct(fields.clone()), true));
        let pairs = stock.create_groups_accumulator(AccumulatorArgs {
            return_field: Arc::new(Field::new_list("pairs", pair.as_ref().clone().with_name("item"), true)),
            schema: args.schema,
            ignore_nulls: args.ignore_nulls,
            order_bys: &[],
            is_reversed: false,
            name: args.name,
            is_distinct: false,
            exprs: &args.exprs[..1],
            expr_fields: &[pair],
        })?;
        let options = args.order_bys.iter().map(|sort| sort.options).collect();
        Ok(Self { pairs, fields, options, ignores_nulls: args.ignore_nulls })
    }

    /// Values and what they are ordered by as one array, null where the value is to be passed over.
    fn paired(&self, columns: &[ArrayRef]) -> Result<StructArray> {
        if columns.len() != self.fields.len() {
            return internal_err!("an ordered list of {} columns got {}", self.fields.len(), columns.len());
        }
        let nulls = if self.ignores_nulls { columns[0].logical_nulls() } else { None };
        let typed = columns.iter().zip(&self.fields).map(|(column, field)| {
            // Nested types may differ in what may be null.
            if column.data_type() == field.data_type() {
                Ok(Arc::clone(column))
            } else {
                cast(column, field.data_type())
            }
        });
        let typed = typed.collect::<Result<Vec<_>, _>>()?;
        Ok(StructArray::try_new(self.fields.clone(), typed, nulls)?)
    }

    /// Lists of pairs as the state that DataFusion's own has: lists of values, and lists of what they are ordered by.
    fn split(&self, lists: &ListArray) -> Result<Vec<ArrayRef>> {
        let pairs = lists.values().as_struct();
        let item = |item: &ArrayRef| Arc::new(Field::new_list_field(item.data_type().clone(), true));
        let (ends, nulls) = (lists.offsets(), lists.nulls().cloned());
        let values = Arc::clone(pairs.column(0));
        let values = ListArray::try_new(item(&values), ends.clone(), values, nulls)?;
        let fields = self.fields.iter().skip(1).cloned().collect();
        let orderings: ArrayRef =
            Arc::new(StructArray::try_new(fields, pairs.columns()[1..].to_vec(), None)?);
        let orderings = ListArray::try_new(item(&orderings), ends.clone(), orderings, None)?;
        Ok(vec![Arc::new(values), Arc::new(orderings)])
    }

    /// The other way round.
    fn joined(&self, state: &[ArrayRef]) -> Result<ListArray> {
        let [values, orderings] = state else {
            return internal_err!("the state of an ordered list is two lists");
        };
        let (values, orderings) = (values.as_list::<i32>(), orderings.as_list::<i32>());
        let (offsets, value) = dense(values, values)?;
        let (_, ordering) = dense(orderings, values)?;
        let mut columns = vec![value];
        columns.extend(ordering.as_struct().columns().iter().cloned());
        let pairs = self.paired(&columns)?;
        let item = Arc::new(Field::new_list_field(pairs.data_type().clone(), true));
        Ok(ListArray::try_new(item, offsets, Arc::new(pairs), values.nulls().cloned())?)
    }

    /// Each list in its order, without what it was ordered by.
    fn sorted(&self, lists: &ListArray) -> Result<ArrayRef> {
        let pairs = lists.values().as_struct();
        let orderings = &pairs.columns()[1..];
        let fields = orderings.iter().zip(&self.options);
        let fields =
            fields.map(|(column, options)| SortField::new_with_options(column.data_type().clone(), *options));
        let rows = RowConverter::new(fields.collect())?.convert_columns(orderings)?;
        let Ok(count) = u32::try_from(pairs.len()) else {
            return internal_err!("lists of more than {} values", u32::MAX);
        };
        let mut places: Vec<u32> = (0..count).collect();
        for ends in lists.offsets().windows(2) {
            let (from, to) = (ends[0].cast_unsigned() as usize, ends[1].cast_unsigned() as usize);
            places[from..to].sort_by(|one, other| rows.row(*one as usize).cmp(&rows.row(*other as usize)));
        }
        let values = take(pairs.column(0), &UInt32Array::from(places), None)?;
        let item = Arc::new(Field::new_list_field(self.fields[0].data_type().clone(), true));
        Ok(Arc::new(ListArray::try_new(item, lists.offsets().clone(), values, lists.nulls().cloned())?))
    }
}

/// The values of lists one after the other, without those that no list has: where each list of `of` ends, and they.
/// Lists that are null in `of` are empty.
fn dense(lists: &ListArray, of: &ListArray) -> Result<(OffsetBuffer<i32>, ArrayRef)> {
    let has = |row: usize| of.is_valid(row);
    let lengths = (0..lists.len())
        .map(|row| if has(row) { lists.value_length(row).cast_unsigned() as usize } else { 0 });
    let offsets = OffsetBuffer::from_lengths(lengths);
    if *lists.offsets() == offsets
        && lists.values().len() == offsets.last().map_or(0, |end| end.cast_unsigned() as usize)
    {
        return Ok((offsets, Arc::clone(lists.values())));
    }
    let kept = (0..lists.len()).filter(|row| has(*row));
    let places = kept.flat_map(|row| lists.value_offsets()[row]..lists.value_offsets()[row + 1]);
    let places: UInt32Array = places.map(i32::cast_unsigned).collect::<Vec<_>>().into();
    Ok((offsets, take(lists.values(), &places, None)?))
}

impl GroupsAccumulator for OrderedGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let pairs: ArrayRef = Arc::new(self.paired(values)?);
        self.pairs.update_batch(&[pairs], group_indices, opt_filter, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let lists = self.pairs.evaluate(emit_to)?;
        self.sorted(lists.as_list::<i32>())
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let lists = self.pairs.evaluate(emit_to)?;
        self.split(lists.as_list::<i32>())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        let lists: ArrayRef = Arc::new(self.joined(values)?);
        self.pairs.merge_batch(&[lists], group_indices, total_num_groups)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let pairs: ArrayRef = Arc::new(self.paired(values)?);
        let lists = self.pairs.convert_to_state(&[pairs], opt_filter)?;
        self.split(lists[0].as_list::<i32>())
    }

    fn size(&self) -> usize {
        self.pairs.size()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::Schema;
    use datafusion::execution::SessionStateDefaults;
    use datafusion::physical_expr::expressions::col;
    use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};

    use super::*;

    /// `array_agg(name order by rank desc nulls last, name)` of no row yet.
    fn empty(ignore_nulls: bool) -> Box<dyn GroupsAccumulator> {
        let stock = SessionStateDefaults::default_aggregate_functions();
        let stock = stock.into_iter().find(|function| function.name() == "array_agg").expect("stock");
        let schema = Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("rank", DataType::Int64, true),
        ]);
        let column = |name: &str| col(name, &schema).expect("a column");
        let sort = |name: &str, descending| PhysicalSortExpr {
            expr: column(name),
            options: SortOptions { descending, nulls_first: false },
        };
        let exprs: [Arc<dyn PhysicalExpr>; 1] = [column("name")];
        let list = Arc::new(Field::new_list("names", Field::new_list_field(DataType::Utf8, true), true));
        let function = AggregateUDF::from(OrderedList::around(stock));
        function
            .create_groups_accumulator(AccumulatorArgs {
                return_field: list,
                schema: &schema,
                ignore_nulls,
                order_bys: &[sort("rank", true), sort("name", false)],
                is_reversed: false,
                name: "names",
                is_distinct: false,
                exprs: &exprs,
                expr_fields: &[Arc::new(schema.field(0).clone())],
            })
            .expect("ordered lists")
    }

    type Row = (Option<&'static str>, Option<i64>);

    fn columns(rows: &[Row]) -> Vec<ArrayRef> {
        let names: StringArray = rows.iter().map(|(name, _)| *name).collect();
        let ranks: Int64Array = rows.iter().map(|(_, rank)| *rank).collect();
        // What it is ordered by stands behind: rank and the name again.
        vec![Arc::new(names.clone()), Arc::new(ranks), Arc::new(names)]
    }

    fn lists(found: &ArrayRef) -> Vec<Option<Vec<Option<String>>>> {
        let names =
            |list: ArrayRef| list.as_string::<i32>().iter().map(|name| name.map(str::to_owned)).collect();
        found.as_list::<i32>().iter().map(|list| list.map(names)).collect()
    }

    fn named(names: &[&str]) -> Vec<Option<String>> {
        names.iter().map(|name| (*name != "-").then(|| (*name).to_owned())).collect()
    }

    const ROWS: [Row; 6] = [
        (Some("a"), Some(1)),
        (Some("b"), None),
        (None, Some(3)),
        (Some("c"), Some(3)),
        (Some("d"), Some(1)),
        (Some("e"), Some(2)),
    ];

    #[test]
    fn lists_are_in_order_however_their_rows_came() {
        let mut whole = empty(false);
        whole.update_batch(&columns(&ROWS), &[0, 0, 0, 0, 0, 1], None, 3).expect("rows");
        let expected = vec![Some(named(&["c", "-", "a", "d", "b"])), Some(named(&["e"])), None];
        assert_eq!(lists(&whole.evaluate(EmitTo::All).expect("lists")), expected);

        // In two halves, and the first kept as a state of single rows.
        let filter = BooleanArray::from(vec![true, true, false, true, true, true, true]);
        let odd: Vec<Row> = [(Some("never"), Some(9))].into_iter().chain(ROWS).collect();
        let odd = [&odd[1..3], &odd[..1], &odd[3..]].concat();
        let single = empty(false).convert_to_state(&columns(&odd), Some(&filter)).expect("a state");
        let mut first = empty(false);
        first.merge_batch(&single, &[0, 0, 2, 0, 0, 0, 1], 3).expect("a state");
        let state = first.state(EmitTo::All).expect("a state");
        let mut merged = empty(false);
        merged.merge_batch(&state, &[1, 0, 2], 3).expect("a state");
        let expected = vec![Some(named(&["e"])), Some(named(&["c", "-", "a", "d", "b"])), None];
        assert_eq!(lists(&merged.evaluate(EmitTo::All).expect("lists")), expected);
    }

    #[test]
    fn nulls_may_be_passed_over_and_groups_given_away_one_by_one() {
        let mut groups = empty(true);
        groups.update_batch(&columns(&ROWS[3..]), &[1, 0, 1], None, 2).expect("rows");
        groups.update_batch(&columns(&ROWS[..3]), &[1, 1, 0], None, 2).expect("rows");
        let first = groups.evaluate(EmitTo::First(1)).expect("a list");
        assert_eq!(lists(&first), [Some(named(&["d"]))]);
        assert_eq!(
            lists(&groups.evaluate(EmitTo::All).expect("a list")),
            [Some(named(&["c", "e", "a", "b"]))]
        );
    }

    #[test]
    fn a_sliced_state_is_of_its_lists_alone() {
        let mut groups = empty(false);
        groups.update_batch(&columns(&ROWS), &[0, 1, 0, 1, 2, 2], None, 3).expect("rows");
        let state = groups.state(EmitTo::All).expect("a state");
        let last: Vec<ArrayRef> = state.iter().map(|lists| lists.slice(1, 2)).collect();
        let mut merged = empty(false);
        merged.merge_batch(&last, &[0, 0], 1).expect("a state");
        assert_eq!(
            lists(&merged.evaluate(EmitTo::All).expect("a list")),
            [Some(named(&["c", "e", "d", "b"]))]
        );
    }
}
