//! Parts of a sorted result are computed at once, though they are written one after the other.
//!
//! A sorted file is read in parts, each of a range of its keys. Where a plan needs no sort any more, the merge at its end
//! takes all of the first part before it takes a second batch of the second, which waits meanwhile: one processor
//! works. So each part goes on into a queue of its own.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::buffer::BufferExec;
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _};

/// All queues together hold at most this part of a step's memory,
const SHARE: usize = 8;
/// and never more bytes.
const AT_MOST: usize = 256 << 20;

/// Puts queues below the merge that a plan ends with.
#[derive(Debug)]
pub(super) struct SideBySide {
    /// Bytes of memory of the step.
    pub(super) memory: usize,
}

impl PhysicalOptimizerRule for SideBySide {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>() else { return Ok(plan) };
        let (input, parts) = (merge.input(), merge.input().output_partitioning().partition_count());
        // What gives nothing before it is done works side by side as it is; of few rows nothing is made early.
        if parts < 2 || merge.fetch().is_some() || input.pipeline_behavior() == EmissionType::Final {
            return Ok(plan);
        }
        let capacity = (self.memory / SHARE).min(AT_MOST) / parts;
        let queued = Arc::new(BufferExec::new(Arc::clone(input), capacity));
        Ok(Arc::new(SortPreservingMergeExec::new(merge.expr().clone(), queued)))
    }

    fn name(&self) -> &'static str {
        "side_by_side"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_expr::expressions::col;
    use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion::physical_plan::sorts::sort::SortExec;

    use super::*;

    fn order() -> LexOrdering {
        let schema = Schema::new(vec![Field::new("k", DataType::Int64, false)]);
        let by = PhysicalSortExpr::new_default(col("k", &schema).expect("a column"));
        LexOrdering::new([by]).expect("an order")
    }

    fn parts(count: usize) -> Arc<dyn ExecutionPlan> {
        let schema = Schema::new(vec![Field::new("k", DataType::Int64, false)]);
        Arc::new(EmptyExec::new(Arc::new(schema)).with_partitions(count))
    }

    /// How many bytes each queue below the merge may hold, 0 without queues.
    fn queue(merge: SortPreservingMergeExec) -> usize {
        let rule = SideBySide { memory: 64 << 20 };
        let plan = rule.optimize(Arc::new(merge), &ConfigOptions::new()).expect("a plan");
        let merge = plan.downcast_ref::<SortPreservingMergeExec>().expect("still a merge");
        assert_eq!(merge.expr(), &order());
        merge.input().downcast_ref::<BufferExec>().map_or(0, BufferExec::capacity)
    }

    #[test]
    fn parts_that_would_wait_go_on_into_queues() {
        // An eighth of 64 MiB for both.
        assert_eq!(queue(SortPreservingMergeExec::new(order(), parts(2))), 4 << 20);
    }

    #[test]
    fn one_part_a_few_rows_and_parts_that_are_sorted_first_need_none() {
        assert_eq!(queue(SortPreservingMergeExec::new(order(), parts(1))), 0);
        assert_eq!(queue(SortPreservingMergeExec::new(order(), parts(2)).with_fetch(Some(3))), 0);
        let sorted = Arc::new(SortExec::new(order(), parts(2)).with_preserve_partitioning(true));
        assert_eq!(queue(SortPreservingMergeExec::new(order(), sorted)), 0);
    }
}
