//! Looking at pipelines: their stages as a list and as a graph, with DVC's names and in its order.

mod dag;
mod outputs;
mod stage_list;
mod step;

pub use dag::{Dag, DagNodes, DagOptions, DagReach, dag};
pub use stage_list::{
    BrokenFile, ListedStage, StageListOptions, StageListReport, Unreadable, WhichStages,
    list_stages,
};
