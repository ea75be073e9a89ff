//! The catalogue of findings: a code never changes its meaning and is never used again.

use std::fmt;

/// What the reader of a finding can do; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Mend the project or the request (exit 2).
    Project,
    /// A model failed while it ran (exit 1).
    Model,
    /// Look at the results: an audit failed, nothing was published (exit 3).
    Audit,
    /// Look at the inputs: missing, corrupt, or changed under the run (exit 4).
    Input,
    /// Try again, perhaps on a larger machine (exit 75).
    Temporary,
    /// Report a bug of ours (exit 70).
    Bug,
}

/// A stable code such as `GW0203`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code {
    /// The number after `GW`.
    pub number: u16,
    /// What the reader can do.
    pub kind: Kind,
    /// What the code stands for, in a few words.
    pub title: &'static str,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GW{:04}", self.number)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! codes {
    ($($name:ident = $number:literal, $kind:ident, $title:literal;)*) => {
        pub(super) mod constants {
            use super::{Code, Kind};
            $(
                #[doc = $title]
                pub const $name: Code = Code { number: $number, kind: Kind::$kind, title: $title };
            )*
        }

        /// Every code there is, by number.
        pub const ALL: &[Code] = &[$(constants::$name),*];
    };
}

codes! {
    // 01: files as written
    YAML_SYNTAX = 101, Project, "a YAML file cannot be read";
    UNKNOWN_KEY = 102, Project, "a key no file of this kind has";
    WRONG_VALUE = 103, Project, "a value of the wrong type or outside its list";
    MISSING_KEY = 104, Project, "a key that must be there is not";
    INVALID_NAME = 105, Project, "a text that cannot be a name";
    FILE_TOO_LARGE = 106, Project, "a project file over 1 MiB";
    MISSING_FILE = 107, Project, "a file or folder the project names is not there";
    SQL_SYNTAX = 108, Project, "SQL that cannot be parsed";
    NOT_ONE_SELECT = 109, Project, "a model that is not exactly one SELECT";
    UNSUPPORTED_VERSION = 110, Project, "a file version this program does not know";
    PATH_OUTSIDE_PROJECT = 111, Project, "a path that leaves the project";
    NO_PIPELINE = 112, Project, "no pipeline file was found, or more than one";
    // 02: names and types
    UNKNOWN_TABLE = 201, Project, "FROM or JOIN names no source or model";
    DUPLICATE_NAME = 202, Project, "two things with the same name";
    UNKNOWN_COLUMN = 203, Project, "a column that no input has";
    CYCLE = 204, Project, "models that read each other in a circle";
    UNKNOWN_VARIABLE = 205, Project, "a $parameter that the pipeline does not declare";
    BAD_VARIABLE = 206, Project, "a value a variable does not accept";
    MODEL_WITHOUT_CONTRACT = 207, Project, "a SQL file no YAML file describes";
    CONTRACT_WITHOUT_MODEL = 208, Project, "a contract for which there is no SQL file";
    CONTRACT_MISMATCH = 209, Project, "a model's columns are not its contract's";
    CANNOT_NARROW = 210, Project, "a type that only the analyst's own cast may change";
    TYPE_ERROR = 211, Project, "SQL whose types do not fit";
    NONDETERMINISTIC = 212, Project, "a function that reads a clock or chance";
    UNPROVEN_ORDER = 213, Project, "a row is picked without a proven total order";
    INEXACT_AGGREGATE = 214, Project, "a float aggregate that depends on row order";
    SELECTS_NOTHING = 215, Project, "a selection that matches no model";
    BAD_SELECTOR = 216, Project, "a selector that cannot be read";
    UNKNOWN_TARGET = 217, Project, "a target the pipeline does not have";
    BAD_AUDIT = 218, Project, "an audit that names a column or table that is not there";
    BAD_UNIT_TEST = 219, Project, "a unit test that does not fit its model";
    QUERY_TOO_LARGE = 220, Project, "SQL too large to plan";
    UNKNOWN_FUNCTION = 221, Project, "a function that does not exist";
    UNSUPPORTED_TYPE = 222, Project, "a published column of a type that readers do not share";
    UNKNOWN_TYPE = 223, Project, "a data type in a contract that does not exist";
    NOT_A_CONDITION = 230, Project, "a segment's rule that is not one condition on one row";
    NO_SEGMENT_FACTS = 231, Project, "segments without the model their rules look at";
    BAD_TIMING = 232, Project, "intervals that do not fit their model";
    BROKEN_CONSTANT = 233, Project, "rows written in SQL that break their table's rules";
    BAD_MOVEMENT = 240, Project, "a movement that cannot be told of its table";
    // 03: the request
    BAD_REQUEST = 301, Project, "an argument that cannot be understood";
    NO_LOCK = 302, Project, "check needs a schema lock or the sources";
    FOREIGN_TABLE = 303, Project, "the table belongs to another pipeline";
    NOT_PUBLISHED = 304, Project, "what was asked for is not published";
    FORMAT_TOO_NEW = 305, Project, "the root was written by a newer Goodwill";
    STORE_IGNORES_PRECONDITIONS = 306, Project, "the store does not honour create-if-absent";
    FOLDER_NOT_EMPTY = 307, Project, "a project would overwrite files";
    UNREADABLE_PLAN = 308, Project, "a saved plan cannot be read";
    PLAN_MOVED = 309, Project, "what a saved plan was made for has moved";
    HISTORY_DOES_NOT_FIT = 310, Project, "a snapshot's contract does not fit those published before";
    NOTHING_TO_RESUME = 311, Project, "no run was broken off that could be gone on with";
    NOT_REBUILT = 312, Project, "a version cannot be built again from what is here";
    // 04: inputs
    MISSING_SOURCE = 401, Input, "a source has no files";
    UNREADABLE_FILE = 402, Input, "a Parquet file is truncated or corrupt";
    SOURCE_CHANGED = 403, Input, "a source's columns or types do not fit its contract";
    INPUT_MOVED = 404, Input, "a source changed while the run read it";
    ABSENT_SOURCE = 405, Input, "a table published by name needs an optional source that is absent";
    LATE_SOURCE = 406, Input, "the newest row of a source is too old";
    // 05: while running
    MODEL_FAILED = 501, Model, "a model failed while it ran";
    OVERFLOW = 502, Model, "arithmetic overflow";
    NOT_FINITE = 503, Model, "NaN or infinity in a published column";
    NARROWING_FAILED = 504, Model, "a value does not fit its contract's type";
    AUDIT_FAILED = 510, Audit, "rows break an audit, nothing was published";
    UNIT_TEST_FAILED = 511, Audit, "a unit test's rows differ";
    TOO_MANY_REJECTED = 512, Audit, "too many rows of a source break its contract, nothing was published";
    // 07: temporary
    STORE_UNAVAILABLE = 701, Temporary, "the store did not answer";
    DISK_FULL = 702, Temporary, "no space left";
    OUT_OF_MEMORY = 703, Temporary, "the memory limit was reached";
    LOST_RACE = 704, Temporary, "another run published first";
    LOCKED = 705, Temporary, "another run holds the lock";
    ACCESS_DENIED = 706, Project, "the store refused access";
    TIMED_OUT = 707, Temporary, "the time of `--timeout` was over";
    ATTEMPT_ABANDONED = 708, Temporary, "a clean-up took a run for dead";
    // 09: ours
    BUG = 901, Bug, "a bug in Goodwill";
    CORRUPT_ROOT = 902, Input, "a control file of the root cannot be read";
    PUBLISHED_FILE_CHANGED = 903, Input, "a published file is not what was published";
    REBUILT_DIFFERS = 904, Input, "a table that was built again has other bytes than were published";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn codes_ascend_and_are_unique() {
        assert!(ALL.windows(2).all(|pair| pair[0].number < pair[1].number));
    }
}
