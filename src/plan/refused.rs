//! What is refused before anything is decided: tables of others, histories that do not fit, days before the
//! first.

use std::collections::{BTreeMap, BTreeSet};

use super::build::World;
use super::{Reason, Refresh, history};
use crate::count::counted;
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::ident::NodeName;
use crate::lake::Slice;

impl World<'_> {
    /// Refuses to put a snapshot beside others that its contract cannot read.
    pub(super) fn refuse_unfit(
        &self,
        reasons: &BTreeMap<NodeName, Reason>,
        refresh: Refresh,
    ) -> Result<(), Diagnostics> {
        if refresh == Refresh::Full {
            return Ok(());
        }
        let mut found = Diagnostics::default();
        for model in self.published().filter(|model| model.is_snapshot() && reasons.contains_key(&model.name))
        {
            let Some(entry) = self.entry(&model.name) else { continue };
            let own = self.typed.slice(model);
            let others = entry
                .parts
                .iter()
                .filter(|part| matches!(part.slice, Slice::Snapshot { .. }) && part.slice != own);
            let others = others.count();
            if let Some(why) = history::unfit(&model.contract, entry).filter(|_| others > 0) {
                let others = counted(others, "published snapshot");
                let message = format!("the contract of `{}` does not fit its {others}: {why}", model.name);
                let unfit = Diagnostic::error(code::HISTORY_DOES_NOT_FIT, message).at(model.place.clone());
                let unfit = unfit.help("a history gains columns that may be null, and nothing else");
                found.push(unfit.help(format!(
                    "give the new table another name, or begin its history anew: `goodwill run -s {} \
                     --full-refresh`; older versions keep what they have",
                    model.name
                )));
            }
        }
        found.or_ok(())
    }

    /// Refuses to look from before the first interval of a table.
    pub(super) fn refuse_early(&self, reasons: &BTreeMap<NodeName, Reason>) -> Result<(), Diagnostics> {
        let early = self.typed.graph.models().filter(|model| {
            model.is_incremental() && reasons.contains_key(&model.name) && self.slots(&model.name).is_empty()
        });
        let refused = early.filter_map(|model| {
            let begin = model.incremental?.begin;
            let message =
                format!("`{}` begins on {begin}, and what is looked from is not after it", model.name);
            let early = Diagnostic::error(code::BAD_REQUEST, message).at(model.place.clone());
            Some(early.help("look from a later day, or let it `begin` earlier"))
        });
        refused.collect::<Diagnostics>().or_ok(())
    }

    pub(super) fn refuse_foreign(&self, selected: &BTreeSet<NodeName>) -> Result<(), Diagnostics> {
        let ours = &self.typed.graph.project().pipeline.name;
        let mut found = Diagnostics::default();
        for model in self.published().filter(|model| selected.contains(&model.name)) {
            if let Some(entry) = self.entry(&model.name)
                && entry.owner != *ours
            {
                let message = format!("table `{}` belongs to pipeline `{}`", model.name, entry.owner);
                let foreign = Diagnostic::error(code::FOREIGN_TABLE, message).at(model.place.clone());
                found.push(foreign.help("rename the model, take it out of `publish:`, or use another root"));
            }
        }
        found.or_ok(())
    }
}
