//! `plan_contacts`: which of a customer's planned contacts are made, and which rule the others would break.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, StringArray, StructArray, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Fields, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

mod plan;

use plan::{Contact, Rule, decide};

use super::fault::{impossible, wrong_argument};
use super::sql_type;

const NAME: &str = "plan_contacts";

const AT_MOST: &str = "at_most";
const APART: &str = "apart";

/// The function.
pub(super) fn scalar() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(PlanContacts { signature: Signature::user_defined(Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PlanContacts {
    signature: Signature,
}

fn at() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// What a contact tells, but for its id.
fn contact_types() -> [(&'static str, DataType); 4] {
    [
        ("at", at()),
        ("priority", DataType::Int64),
        ("labels", DataType::new_list(DataType::Utf8, true)),
        ("is_made", DataType::Boolean),
    ]
}

/// What a rule tells.
fn rule_types() -> [(&'static str, DataType); 6] {
    let text = || DataType::Utf8;
    let whole = || DataType::Int64;
    [
        ("rule", text()),
        ("kind", text()),
        ("label", text()),
        ("other_label", text()),
        ("days", whole()),
        ("most", whole()),
    ]
}

fn struct_of<'a>(what: &str, data_type: &'a DataType) -> Result<&'a Fields> {
    match data_type {
        DataType::List(element) => match element.data_type() {
            DataType::Struct(fields) => Ok(fields),
            other => plan_err!("`{NAME}` needs a list of STRUCTs as {what}, not of {}", sql_type(other)),
        },
        other => plan_err!("`{NAME}` needs a list of STRUCTs as {what}, not {}", sql_type(other)),
    }
}

/// The list `given`, its STRUCTs with the fields of `wanted` in that order.
fn coerced(what: &str, given: &DataType, wanted: &[(&str, DataType)]) -> Result<DataType> {
    let fields = struct_of(what, given)?;
    if let Some(other) = fields.iter().find(|field| wanted.iter().all(|(name, _)| name != field.name())) {
        return plan_err!("`{NAME}` knows no field `{}` of {what}", other.name());
    }
    for (name, _) in wanted {
        if fields.find(name).is_none() {
            return plan_err!("`{NAME}` needs a field `{name}` in {what}");
        }
    }
    // In the order they were given: a cast goes by place.
    let field = |field: &Arc<Field>| {
        let wanted = wanted.iter().find(|(name, _)| name == field.name());
        Field::new(field.name(), wanted.map_or(DataType::Null, |(_, data_type)| data_type.clone()), true)
    };
    let fields: Fields = fields.iter().map(field).collect();
    Ok(DataType::new_list(DataType::Struct(fields), true))
}

/// The type ids are kept in.
fn id_type(contacts: &DataType) -> Result<DataType> {
    let Some((_, id)) = struct_of("contacts", contacts)?.find("id") else {
        return plan_err!("`{NAME}` needs a field `id` in contacts");
    };
    match id.data_type() {
        whole if whole.is_integer() => Ok(DataType::Int64),
        text if text.is_string() => Ok(DataType::Utf8),
        other => plan_err!("`{NAME}` needs whole numbers or texts as ids, not {}", sql_type(other)),
    }
}

fn decision_fields(id: DataType) -> Fields {
    Fields::from(vec![
        Field::new("id", id, true),
        Field::new("is_kept", DataType::Boolean, true),
        Field::new("rule", DataType::Utf8, true),
    ])
}

impl ScalarUDFImpl for PlanContacts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let [contacts, _] = arguments else { return plan_err!("`{NAME}` takes contacts and rules") };
        Ok(DataType::new_list(DataType::Struct(decision_fields(id_type(contacts)?)), true))
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [contacts, rules] = arguments else { return plan_err!("`{NAME}` takes contacts and rules") };
        let of_contact: Vec<_> = [("id", id_type(contacts)?)].into_iter().chain(contact_types()).collect();
        Ok(vec![coerced("contacts", contacts, &of_contact)?, coerced("rules", rules, &rule_types())?])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [contacts, rules] = args.args.as_slice() else {
            return exec_err!("`{NAME}` takes contacts and rules");
        };
        let (rules, is_one) = match rules {
            ColumnarValue::Scalar(rules) => (rules.to_array()?, true),
            ColumnarValue::Array(rules) => (Arc::clone(rules), false),
        };
        let contacts = contacts.to_array(args.number_rows)?;
        let (contacts, rules) = (contacts.as_list::<i32>(), rules.as_list::<i32>());
        let (of_contacts, of_rules) =
            (Columns::of(contacts.values().as_struct())?, RuleColumns::of(rules.values().as_struct())?);
        let mut answer = Answer::default();
        for row in 0..args.number_rows {
            let rules_at = if is_one { 0 } else { row };
            if contacts.is_null(row) {
                answer.null();
                continue;
            }
            let places = |list: &ListArray, row: usize| {
                if list.is_null(row) { 0..0 } else { span(list.value_offsets(), row) }
            };
            let named = of_rules.rules(places(rules, rules_at))?;
            let rules: Vec<Rule<'_>> = named.iter().map(|(_, rule)| rule.clone()).collect();
            let planned = of_contacts.contacts(places(contacts, row))?;
            for decision in decide(planned, &rules) {
                let broken = decision.broken.and_then(|place| named.get(place)).map(|(name, _)| *name);
                answer.decided(decision.id.place(), broken);
            }
            answer.row();
        }
        answer.finish(&of_contacts.ids).map(ColumnarValue::Array)
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TEXT: LazyLock<Documentation> = LazyLock::new(documentation);
        Some(&TEXT)
    }
}

fn span(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    let at = |row: usize| offsets.get(row).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
    at(row)..at(row + 1)
}

/// An id, ordered by its value, with its place among all ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Id<'a> {
    Number(i64, usize),
    Text(&'a str, usize),
}

impl Id<'_> {
    const fn place(self) -> usize {
        match self {
            Self::Number(_, place) | Self::Text(_, place) => place,
        }
    }
}

/// The columns of contacts.
struct Columns {
    ids: ArrayRef,
    at: ArrayRef,
    priority: ArrayRef,
    labels: ArrayRef,
    is_made: ArrayRef,
}

fn column(rows: &StructArray, name: &str) -> Result<ArrayRef> {
    match rows.column_by_name(name) {
        Some(column) => Ok(Arc::clone(column)),
        None => exec_err!("`{NAME}` needs a field `{name}`"),
    }
}

impl Columns {
    fn of(rows: &StructArray) -> Result<Self> {
        Ok(Self {
            ids: column(rows, "id")?,
            at: cast(&column(rows, "at")?, &at())?,
            priority: column(rows, "priority")?,
            labels: column(rows, "labels")?,
            is_made: column(rows, "is_made")?,
        })
    }

    fn contacts(&self, places: std::ops::Range<usize>) -> Result<Vec<Contact<'_, Id<'_>>>> {
        places.map(|place| self.contact(place)).collect()
    }

    fn contact(&self, place: usize) -> Result<Contact<'_, Id<'_>>> {
        let missing = |name: &str| Err(impossible(NAME, format!("a contact has no `{name}`")));
        let (at, priority) =
            (self.at.as_primitive::<TimestampMicrosecondType>(), self.priority.as_primitive::<Int64Type>());
        let is_made = self.is_made.as_boolean();
        if self.ids.is_null(place) {
            return missing("id");
        }
        if at.is_null(place) {
            return missing("at");
        }
        let is_planned = !(is_made.is_valid(place) && is_made.value(place));
        if is_planned && priority.is_null(place) {
            return missing("priority");
        }
        let id = match self.ids.as_primitive_opt::<Int64Type>() {
            Some(numbers) => Id::Number(numbers.value(place), place),
            None => Id::Text(self.ids.as_string::<i32>().value(place), place),
        };
        let labels = self.labels.as_list::<i32>();
        let texts = labels.values().as_string::<i32>();
        let of_contact = if labels.is_null(place) { 0..0 } else { span(labels.value_offsets(), place) };
        let labels = of_contact.filter(|label| texts.is_valid(*label)).map(|label| texts.value(label));
        let mut labels: Vec<&str> = labels.collect();
        labels.sort_unstable();
        Ok(Contact {
            is_planned,
            priority: if priority.is_null(place) { i64::MAX } else { priority.value(place) },
            at: at.value(place),
            id,
            labels,
        })
    }
}

/// The columns of rules.
struct RuleColumns {
    texts: [ArrayRef; 4],
    numbers: [ArrayRef; 2],
}

impl RuleColumns {
    fn of(rows: &StructArray) -> Result<Self> {
        let column = |name: &str| column(rows, name);
        Ok(Self {
            texts: [column("rule")?, column("kind")?, column("label")?, column("other_label")?],
            numbers: [column("days")?, column("most")?],
        })
    }

    /// The rules, each with its name.
    fn rules(&self, places: std::ops::Range<usize>) -> Result<Vec<(&str, Rule<'_>)>> {
        places.map(|place| self.rule(place)).collect()
    }

    fn rule(&self, place: usize) -> Result<(&str, Rule<'_>)> {
        let [name, kind, label, other] = self.texts.each_ref().map(|texts| {
            let texts: &StringArray = texts.as_string::<i32>();
            texts.is_valid(place).then(|| texts.value(place))
        });
        let [days, most] = self.numbers.each_ref().map(|numbers| {
            let numbers = numbers.as_primitive::<Int64Type>();
            numbers.is_valid(place).then(|| numbers.value(place))
        });
        let Some(name) = name else { return Err(wrong_argument(NAME, "a rule has no name")) };
        let wrong = |what: &str| Err(wrong_argument(NAME, format!("rule `{name}` {what}")));
        if days.is_some_and(|days| days < 1) {
            return wrong("needs a day or more");
        }
        match (kind, days, most.map(usize::try_from)) {
            (Some(AT_MOST), Some(days), Some(Ok(most))) if other.is_none() => {
                Ok((name, Rule::AtMost { label, days, most }))
            }
            (Some(AT_MOST), ..) => wrong("of kind at_most needs `days` and `most`, and no `other_label`"),
            (Some(APART), _, None) if other.is_none() => {
                Ok((name, Rule::Apart { one: label, other: label, days }))
            }
            (Some(APART), _, None) => Ok((name, Rule::Apart { one: label, other, days })),
            (Some(APART), ..) => wrong("of kind apart has no `most`"),
            _ => wrong("is of no kind: at_most or apart"),
        }
    }
}

/// What is answered, row by row.
#[derive(Default)]
struct Answer {
    places: Vec<u64>,
    /// How many there were before the row.
    before: usize,
    kept: Vec<bool>,
    rules: Vec<Option<String>>,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

impl Answer {
    fn decided(&mut self, place: usize, broken: Option<&str>) {
        self.places.push(u64::try_from(place).unwrap_or(u64::MAX));
        self.kept.push(broken.is_none());
        self.rules.push(broken.map(str::to_owned));
    }

    fn row(&mut self) {
        self.lengths.push(self.places.len() - self.before);
        self.before = self.places.len();
        self.valid.push(true);
    }

    fn null(&mut self) {
        self.lengths.push(0);
        self.valid.push(false);
    }

    fn finish(self, ids: &ArrayRef) -> Result<ArrayRef> {
        let ids = take(ids, &UInt64Array::from(self.places), None)?;
        let fields = decision_fields(ids.data_type().clone());
        let columns: Vec<ArrayRef> =
            vec![ids, Arc::new(BooleanArray::from(self.kept)), Arc::new(StringArray::from(self.rules))];
        let decisions = StructArray::try_new(fields.clone(), columns, None)?;
        let list = ListArray::try_new(
            Arc::new(Field::new_list_field(DataType::Struct(fields), true)),
            OffsetBuffer::from_lengths(self.lengths),
            Arc::new(decisions),
            Some(NullBuffer::from(self.valid)),
        )?;
        Ok(Arc::new(list))
    }
}

fn documentation() -> Documentation {
    Documentation::builder(
        DocSection { include: true, label: "Contacts", description: Some("Which contacts a customer gets.") },
        "Decides which of a customer's planned contacts are made: in the order of their priority (1 before 2; of equal ones the \
        earlier, of these the smaller id), each unless it breaks a rule together with those that were made and those \
        kept before it. Gives a list of STRUCT: id, is_kept, and rule, the name of the first rule it would break. \
        The same whatever the order of the lists.\n\n\
        A rule is of kind `at_most` (at most `most` contacts with the label in any window of `days` × 24 hours, its end not in \
        it) or `apart` (a contact with the label and one with the other label at least `days` × 24 hours apart, before or \
        after; without days never both; without another label two with the same). A null label stands for all contacts.",
        "plan_contacts(contacts, rules)",
    )
    .with_argument(
        "contacts",
        "A list of STRUCT: id (a whole number or a text), at (an instant), priority, labels (a list of texts), and \
        is_made: true for those that were made already, which count and are not decided about.",
    )
    .with_argument("rules", "A list of STRUCT: rule (its name), kind, label, other_label, days, most; the first ones are named first.")
    .with_sql_example(
"with decided as (\n    select unnest(plan_contacts(\n        make_array(\n            \
        named_struct('id', 1, 'at', timestamp '2026-01-01', 'priority', 2, 'labels', make_array('mail'), 'is_made', false),\n            \
        named_struct('id', 2, 'at', timestamp '2026-01-03', 'priority', 1, 'labels', make_array('mail'), 'is_made', false)\n        ),\n        \
        make_array(\n            named_struct(\n                'rule', 'one_mail_a_week', 'kind', 'at_most', 'label', 'mail',\n                \
        'other_label', cast(null as varchar), 'days', 7, 'most', 1\n            )\n        )\n    )) as contact\n)\n\n\
        select contact['id'] as id, contact['is_kept'] as is_kept, contact['rule'] as rule from decided",
    )
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::page;

    #[test]
    fn the_page_says_what_the_code_says() {
        page::check("contacts", scalar().documentation().into_iter());
    }
}
